/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's argument list, from a machine's description. Pure: opens nothing, asks nothing of the host. */
#pragma once

#include "base/str.h"
#include "vmm/vmm.h"

enum vm_arch { VM_X86_64, VM_ARM64 };

/* The architecture that this program was built for. */
enum vm_arch vm_arch_native(void);
/* "qemu-system-x86_64", … */
const char *qemu_program_name(enum vm_arch arch);

/* The ends of sockets that QEMU gets, as numbers in its own table of descriptors. */
struct qemu_fds {
	int agent, console, control;
};

#define QEMU_COMMAND_LINE_MAX 2047 /* of a kernel (COMMAND_LINE_SIZE) */

/* ret_args begins with the program's name. COR_INVALID for a serial or name with strange bytes, a kernel command line that is too long, more devices than
 * the machine has slots. */
int qemu_args(enum vm_arch arch, const struct vm_spec *spec, const struct qemu_fds *fds,
	      struct strv *ret_args, struct cor_error *err);

/* The nodes that take the place of a disk's, as -blockdev takes them: "newbaseN" over the descriptor in a set, and the overlay "newN" over that. The caller's. */
char *qemu_new_base(size_t index, size_t set);
char *qemu_new_overlay(const struct vm_disk *disk, size_t index, size_t set);
