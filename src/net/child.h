/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that networks need beside the kernel: nft, which is waited for, dnsmasq, which lives on, and passt, which dies with us. They get descriptors, an empty
 * environment and default signals, and no descriptor of ours but those named here. */
#pragma once

#include "base/error.h"

#include <sys/types.h>

/* The path of a program in the usual folders, the caller's; NULL when it is not there. */
char *program_path(const char *name);

/* Runs args[0] (a path) with input as its standard input, waits, and gives what it wrote to standard output and error (NUL-terminated, cut at max bytes; the caller's).
 * *ret_status is as of waitpid. It inherits `lock` (-1: none), so that an flock on it lasts as long as its work, also when we are killed. One that takes
 * longer than limit_ms is killed: -ETIMEDOUT. 0 or -errno. */
int child_run(const char *const *args, const void *input, size_t size, int lock, unsigned limit_ms,
	      size_t max, int *ret_status, char **ret_output);

/* Runs args[0] as a grandchild in a session of its own, with log_fd as its standard output and error, after prepare(context) has returned 0 in it
 * (async-signal-safe calls only, descriptors are still ours, and so locks are held until its execve). 0, or -errno also when prepare or execve failed. */
int child_detach(const char *const *args, int log_fd, int (*prepare)(void *context), void *context);

/* Goes on in a grandchild, which runs work(context) and ends; it has of our descriptors but 0 to 2 only those listed (at most CHILD_KEPT_MAX), and default
 * signals. When this returns, the others are closed there. 0 or -errno: nothing was run. */
#define CHILD_KEPT_MAX 8
int child_carry_on(void (*work)(void *context), void *context, const int *kept, size_t count);

/* Starts args[0] as a child in a session of its own, with out as its standard output and error and the `keep` descriptors as they are. It gets SIGKILL when we die, unless it
 * changes its user. 0 or -errno; that there is no such program is told by its status, 127. The caller reaps it. */
int child_start(const char *const *args, int out, const int *keep, size_t keep_count, pid_t *ret_pid);
