/* SPDX-License-Identifier: Apache-2.0 */
/* Machines that go on where a saved one stood: it has booted, and waits for its host.
 *
 * What a machine is made of is its shape. A machine whose shape is saved begins from that; one that boots has its shape saved behind it, by a process of its own. */
#pragma once

#include "container/record.h"
#include "container/template.h"
#include "vmm/vmm.h"

struct saved {
	struct template template;
	struct vm_memory memory;
	bool is_new;  /* the memory is still to be filled */
	int state_fd; /* the end of the pipe that feeds the VMM */
};

/* User ids for VMMs: above what anybody gives to people or user namespaces, below where 32-bit tools turn negative: 2^24 from here on for VMMs, the
 * next 2^24 for passt (passt_uid), and the first one after those for e2fsck (CHECK_UID of volume/fsck.c). */
#define VMM_UID_BASE 2000000000u

/* Of a card of a saved machine, by its place, until it gets its own. */
void saved_mac(size_t index, uint8_t mac[6]);

/* One letter for each: of disks 'w' or 'r', of cards 't'ap or 's'tream. The caller's. */
char *saved_disks(const struct vm_spec *spec);
char *saved_nics(const struct vm_spec *spec);
/* All that a saved machine depends on, in two lines: the environment (host, VMM, kernel, init), and the machine. The caller's. */
char *saved_shape(const struct vm_spec *spec);

/* Why machines like this one are never saved, in a sentence; NULL: they are. Those are saved that have the installation's own kernel and init, and whose cards the VMM serves. */
const char *saved_obstacle(const struct machine_config *machine, const struct vm_spec *spec);

/* Gives spec->saved what the VMM begins from. COR_NOT_FOUND where this shape is not saved. */
int saved_use(const struct roots *roots, struct vm_spec *spec, struct saved *ret, struct cor_error *err);
/* After vm_start, while the VMM gets ready: its memory, then its state. Others find the memory from then on, until saved_release. */
int saved_feed(const struct roots *roots, struct saved *saved, struct cor_error *err);
void saved_release(const struct roots *roots, struct saved *saved);

/* save.c. Starts the process that saves this shape; returns at once. */
void saved_request(const struct roots *roots, const char *description);
/* What it is told of a machine; the caller's. */
char *saved_describe(const struct vm_spec *spec);
/* What that process does. */
int save_machine(const struct roots *roots, const char *description, struct cor_error *err);
