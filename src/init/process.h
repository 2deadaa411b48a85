/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that the host made, from CreateProcess until they are forgotten.
 *
 *     MAKING ──ready──► READY ──StartProcess──► STARTING ──execve──► RUNNING
 *        │                │                        │                    │
 *        └─ failed: gone  └───────── ended ────────┴────────────────────┴──► ENDED ──DeleteProcess──► gone
 */
#pragma once

#include "agent.pb-c.h"
#include "init/container.h"
#include "init/streams.h"

enum process_state { PROCESS_MAKING, PROCESS_READY, PROCESS_STARTING, PROCESS_RUNNING, PROCESS_ENDED };

/* A WaitProcess call. */
struct waiter {
	struct waiter *next;
	struct process *process;
	struct rpc_call *call;
};

struct process {
	struct process *next;
	struct container *container;
	char *id;
	enum process_state state;
	pid_t pid;
	int pidfd;
	int socket;      /* to the child until its execve, then -1 */
	uv_poll_t *poll; /* of the socket */
	bool input;      /* is kept */
	struct streams streams;
	struct rpc_call *making, *starting; /* that wait for an answer, or NULL */
	struct waiter *waiters;
	uint64_t oom_kills; /* of the container when this began */
	struct cor_error failure;
	Coracle__Agent__V1__ExitStatus exit;
};

/* Makes it; the call is answered once it stands before its execve. */
int process_make(struct container *container, const Coracle__Agent__V1__CreateProcessRequest *request,
		 struct rpc_call *call, struct cor_error *err);
/* Lets a READY one go; the call is answered after its execve. */
int process_start(struct process *process, struct rpc_call *call, struct cor_error *err);
/* A child with this pid has ended with a status as of waitpid. False when it is none of the container's. May free the container. */
bool process_reaped(struct container *container, pid_t pid, int status);

/* NULL when there is none. */
struct process *process_find(const struct container *container, const char *id);
struct process *process_find_pid(const struct container *container, pid_t pid);
bool process_alive(const struct process *process);
/* COR_BUSY when it has ended. */
int process_signal(const struct process *process, int number, struct cor_error *err);

/* Forgets it. It must have ended; calls that attach to it or wait for it end with the reason. */
void process_free(struct process *process, const struct cor_error *reason);
