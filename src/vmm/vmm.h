/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual machines, whatever program runs them.
 *
 * A driver is a table of operations; the rest of Coracle calls the wrappers below. The caller opens every file and hands over descriptors: the
 * program that runs the machine opens nothing that belongs to a container, and so can run as nobody. A machine dies with its maker.
 *
 * A running machine is four descriptors that the caller polls: its process, its console, its agent's line and its control. */
#pragma once

#include "base/error.h"
#include "vmm/accelerator.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VM_SERIAL_MAX 20 /* bytes of a virtio-blk serial */
#define VM_TAG_SIZE   36 /* of a virtio-fs tag with a NUL */

/* A block device of the guest, found there by its serial. */
struct vm_disk {
	const char *serial; /* 1 to VM_SERIAL_MAX bytes of [A-Za-z0-9_-] */
	int overlay_fd;     /* a qcow2 file, open for reading and writing; -1: the guest cannot write */
	/* bytes of the overlay's file beyond which it does not grow, whatever the guest writes: that is an I/O error there. The file has this size. 0: no limit */
	uint64_t overlay_limit;
	int base_fd; /* a raw file that lies below the overlay or is the disk; open for reading only, but for: */
	bool writable;     /* it is the disk and the guest writes to it, durably */
	bool ephemeral;    /* the overlay will be thrown away: flushes need not reach the host's disk */
	bool exchangeable; /* it has an overlay, and vm_exchange will put another disk into its place */
	uint64_t
		blank; /* not 0: bytes of zeroes in place of files, writable or not, for a machine that is to be saved */
};

enum vm_nic_kind {
	VM_NIC_TAP, /* its descriptors: a tap device with virtio's headers (IFF_VNET_HDR) */
	VM_NIC_STREAM, /* a connected stream socket of frames, each behind its length of four bytes (big-endian) */
};

/* A network card of the guest, found there by its MAC address. */
struct vm_nic {
	enum vm_nic_kind kind;
	const int *fds;       /* of a tap one for each pair of queues, otherwise one */
	const int *vhost_fds; /* as many of /dev/vhost-net: the host's kernel serves them; NULL: the VMM */
	unsigned queues;      /* at least 1 */
	const char *mac;      /* "02:00:00:12:34:56" */
};

/* A directory of the host that the guest mounts by its tag (virtiofs). Who serves it sees all of the guest's memory. */
struct vm_share {
	char tag[VM_TAG_SIZE]; /* [A-Za-z0-9_-] */
	int fd;                /* a connected socket: who serves it speaks vhost-user there */
};

/* Memory of a guest that is a file as large as it, for a machine that is to be saved, or that goes on where a saved one stood. */
struct vm_memory {
	int fd;
	/* True: the guest boots and writes into the file, for vm_save. False: it finds what is in the file, keeps its changes to itself, and goes on as soon as all of the
	 * state was read from state_fd, which may be a pipe that is filled later. */
	bool shared;
	int state_fd;
};

/* What a machine is made of. All is borrowed during vm_start. */
struct vm_spec {
	const char *name; /* appears in lists of processes; [a-z0-9]+ */
	enum vm_accelerator accelerator;
	uint64_t tsc_khz;              /* of the host, for guests that are not accelerated; 0: unknown */
	unsigned cpus;                 /* at least 1 */
	uint64_t memory;               /* bytes */
	const struct vm_memory *saved; /* NULL: the VMM's own memory, and the guest boots */
	bool nested;                   /* the guest may run virtual machines itself */
	int kernel_fd, initramfs_fd;
	const char *const *kernel_args; /* NULL-terminated, appended; may be NULL */
	const struct vm_disk *disks;
	size_t disk_count;
	const struct vm_nic *nics;
	size_t nic_count;
	const struct vm_share *shares; /* not with `saved` */
	size_t share_count;
	unsigned extra_devices; /* further virtio devices (entropy sources) that test the number of slots */
	uid_t uid;              /* the VMM's own when we are root; (uid_t)-1: ours */
	const char *program;    /* NULL: the driver's usual one */
};

struct vm;

/* What a message of ours begins with that says which of the walls around the VMM the host did not let us have. */
#define UNCONFINED "unconfined: "

/* One way of running a machine. NULL operations are not supported by the driver. */
struct vmm_driver {
	const char *name;
	int (*probe)(struct cor_error *err); /* 0: usable on this host */
	int (*start)(const struct vm_spec *spec, struct vm **ret_vm, struct cor_error *err);
	int (*process_control)(struct vm *vm, struct cor_error *err);
	int (*pause)(struct vm *vm, struct cor_error *err);
	int (*resume)(struct vm *vm, struct cor_error *err);
	int (*save)(struct vm *vm, int state_fd, struct cor_error *err);
	int (*exchange)(struct vm *vm, size_t index, const struct vm_disk *disk, struct cor_error *err);
	void (*free)(struct vm *vm);
};

/* What all drivers' machines begin with. */
struct vm {
	const struct vmm_driver *driver;
	pid_t pid;
	int pidfd;       /* readable: the VMM has ended; it is not reaped before vm_free */
	int agent_fd;    /* a connected socket: the byte stream of the guest's port "coracle.agent" */
	int console_fd;  /* a connected socket: what the guest's kernel writes */
	int messages_fd; /* a pipe: what the VMM has to say to people */
	int control_fd;  /* readable: call vm_process_control */
	uint64_t ready_ns,
		resumed_ns; /* monotonic: when it was heard that the VMM has made its devices, and that its CPUs run; 0: not yet */
	bool listening; /* the guest has opened its end of the agent's line; known where the VMM tells */
	/* bits, by the number of the disk: writes that failed, and did for want of room; set by vm_process_control */
	uint64_t failed_disks, full_disks;
	char end[64]; /* why the guest ended, in the VMM's words, once it is known; otherwise empty */
};

/* The drivers of this build, NULL-terminated, the preferred one first. */
extern const struct vmm_driver *const vmm_drivers[];
extern const struct vmm_driver vmm_qemu;

/* Starts a machine; does not wait for its guest. COR_NOT_FOUND without the program, COR_INVALID for a spec that cannot be. */
int vm_start(const struct vmm_driver *driver, const struct vm_spec *spec, struct vm **ret_vm,
	     struct cor_error *err);
/* Whether one more device makes no other machine of it (one with ACPI, which starts later; one that cannot give memory back), or none at all. */
bool vm_has_room(const struct vm_spec *spec);
/* Reads what the VMM tells; never blocks. -ECONNRESET when it has gone. */
int vm_process_control(struct vm *vm, struct cor_error *err);
/* The guest's CPUs stand still and go on: only tests call it so far. Block for at most a second. COR_UNSUPPORTED when the driver has no such operation. */
int vm_pause(struct vm *vm, struct cor_error *err);
int vm_resume(struct vm *vm, struct cor_error *err);
/* Stops the guest for good and writes its devices and CPUs to state_fd; its memory is in the file already. Blocks for at most ten seconds. */
int vm_save(struct vm *vm, int state_fd, struct cor_error *err);
/* Puts another overlay and its base into the place of the disk of this number, which is exchangeable and of the same size; once. The guest does not notice, and must have nothing of
 * the former in use. Blocks for at most a second. */
int vm_exchange(struct vm *vm, size_t index, const struct vm_disk *disk, struct cor_error *err);
/* Ends the machine at once: nothing of the guest is saved. */
void vm_kill(struct vm *vm);
/* Of one that has ended: by SIGKILL or SIGTERM of somebody (the kernel that was short of memory among them), so that its end tells nothing of the machine. */
bool vm_was_killed(const struct vm *vm);
/* Kills, reaps and releases; closes the descriptors that are still in struct vm. NULL is fine. */
void vm_free(struct vm *vm);

/* The QEMU that a machine would be run with; the caller's, or NULL when there is none. */
char *qemu_program(void);
