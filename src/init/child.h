/* SPDX-License-Identifier: Apache-2.0 */
/* A process of a container, from its making to its execve.
 *
 *     init                                child
 *      | child_spawn: clone into name      |
 *      | spaces and control group          | root file system or joining, terminal,
 *      |                                   | user, limits, privileges
 *      | <------- report: ready (terminal) |  … or why not, and the end
 *      | go -----------------------------> |
 *      | <------- the socket closes        |  execve has succeeded
 *      | <------- report: why not          |  … or has failed, and the end
 */
#pragma once

#include "base/error.h"
#include "oci/runtime_spec.h"

#include <linux/filter.h>
#include <sys/types.h>

struct child {
	const struct oci_spec *spec;       /* the container's */
	const struct oci_process *process; /* this one */
	const char *root;                  /* a mount point: of the container's first process */
	const struct sock_filter *filter;  /* NULL: none */
	size_t filter_count;
	int cgroup; /* directory */
	int join;   /* pidfd of the process whose name spaces it enters; -1: it is the first and makes them */
	int stdio[3]; /* -1 each with a terminal */
	bool reaper;  /* stays as a small init above the executable */
	uint16_t rows, columns;
};

/* What comes over the socket, as one packet. */
struct child_report {
	struct cor_error error; /* COR_OK: ready */
};

/* Makes the process. Descriptors are borrowed. *ret_socket is a non-blocking socket that keeps packets. */
int child_spawn(const struct child *child, int own_pid_namespace, pid_t *ret_pid, int *ret_pidfd,
		int *ret_socket, struct cor_error *err);

/* Reads one report; *ret_terminal becomes the terminal's other end or -1. 1: a report, 0: the socket is closed, -EAGAIN, -errno. */
int child_receive(int socket, struct child_report *report, int *ret_terminal);
int child_go(int socket);
