/* SPDX-License-Identifier: Apache-2.0 */
/* Which accelerator is worth using on this host: measured, not looked up.
 *
 * Some hosts have a /dev/kvm that opens, makes machines and runs vCPUs, but emulates every guest instruction in the host's kernel; no ordinary
 * guest ever boots there. So a throwaway vCPU counts, against a deadline. The answer, and the frequency of the host's time stamp counter, are kept in
 * RUN/accelerator.json for this boot of the host; so is a KVM that proved useless with a certain kernel and VMM. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum vm_accelerator { VM_TCG, VM_KVM };

/* "tcg", "kvm". */
const char *vm_accelerator_name(enum vm_accelerator accelerator);

struct accelerator_choice {
	enum vm_accelerator accelerator;
	bool asked;       /* by hand: no falling back */
	char reason[256]; /* one line for people */
	uint64_t tsc_khz; /* of the host; 0: none that runs steadily */
};

/* wanted: "auto" (or NULL), "kvm", "tcg". run_fd is the folder that remembers; kernel_fd and the VMM's program say for which kernel and VMM an
 * earlier failure counts (kernel_fd -1 and program NULL: none does). The first call of a boot takes up to 150 ms, on a busy host twice that; who
 * comes meanwhile waits for it. "kvm" where it cannot be had is COR_UNSUPPORTED, another word COR_INVALID. */
int accelerator_choose(int run_fd, const char *wanted, int kernel_fd, const char *program,
		       struct accelerator_choice *ret, struct cor_error *err);

/* Remembers that a machine with this kernel and VMM did not answer under KVM. */
int accelerator_distrust(int run_fd, int kernel_fd, const char *program, struct cor_error *err);

struct accelerator_measurement {
	bool usable;
	char reason[256];
};
/* Runs the throwaway vCPU in a child process. device is "/dev/kvm"; tests give other paths. */
void accelerator_measure(const char *device, struct accelerator_measurement *ret);
