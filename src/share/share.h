/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and files of the host that a machine sees through virtiofs: each has a virtiofsd of its own.
 *
 *   guest ── virtqueues in shared memory ── virtiofsd ── the folder, in a mount namespace in which there is nothing else
 *               QEMU ── vhost-user socket ──┘
 *
 * What the guest may not write is read-only by that namespace's mount, whatever virtiofsd does. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define SHARE_PROGRAM_ENV "CORACLE_VIRTIOFSD"
#define SHARE_FILE        "file" /* the name of a single file in its share */

/* The virtiofsd that would be run; the caller's, or NULL when there is none. */
char *share_program(void);

/* Opens (O_PATH, following links) what is to be shared. COR_NOT_FOUND when it is missing, COR_INVALID for the host's root and for what is neither a directory nor a file. */
int share_open(const char *path, int *ret_fd, struct stat *ret_st, struct cor_error *err);

struct share_wish {
	const char *path; /* as share_open took it */
	struct stat st;   /* what it was then: another that is there now is refused */
	bool read_only;
	int run_dir; /* where the socket's file is for a moment */
};

struct share {
	pid_t pid;
	int pidfd;    /* readable: it has ended */
	int messages; /* a pipe, not blocking: what it has to say */
	int vmm_fd;   /* a connected socket, QEMU's */
};

#define SHARE_NONE                                                                                           \
	(struct share)                                                                                       \
	{                                                                                                    \
		.pidfd = -1, .messages = -1, .vmm_fd = -1                                                    \
	}

/* Starts a virtiofsd, which dies with us. It cannot be told here that it fails: that it ends is how it says so, with a reason in its messages. COR_NOT_FOUND without the
 * program. */
int share_start(const struct share_wish *wish, struct share *ret, struct cor_error *err);
/* Of one whose machine has ended. Waits for its end for a second, then kills it; reaps and closes. SHARE_NONE is fine. */
void share_stop(struct share *share);
