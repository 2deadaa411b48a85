/* SPDX-License-Identifier: Apache-2.0 */
/* All that init knows: one of it exists, and it is the context of the service. */
#pragma once

#include "base/error.h"
#include "rpc/rpc.h"

#define GUEST_RUN "/run/coracle" /* what hosts mount for containers, and a folder per container */

struct guest {
	uv_loop_t *loop;
	int pid_namespace; /* init's own, to come back to after a visit */
	struct container *containers;
	struct relay_listener *listeners; /* see relay.h */
	struct relay *relays;
	size_t connections; /* of all relays, and of those that wait for one */
	uint64_t accepted;  /* for numbering them */
	bool waiting; /* the machine is to be saved: nothing of a container's is touched before the host's first hello */
	/* Of a machine that waits (early.h): */
	int early_group;  /* that no container has yet; -1 */
	char *early_disk; /* the device of the disk "root", or NULL */
	int early_root;   /* tells how the disk "root" was mounted (early.h), until somebody asks; -1 */
	uv_timer_t rest;  /* since the last container went */
	struct machine_shutdown *shutdown; /* under way, or NULL */
	bool stopping;                     /* the loop ends and the power goes */
	bool networked;                    /* there may be addresses and routes of ours */
};

/* Mounts what init and the containers need, begins what can be done early (of a machine that waits: what stays in its memory), and raises the loopback
 * device. The first thing that init does. */
int guest_boot(struct guest *guest, struct cor_error *err);

/* Takes the exit status of every child that has ended, on SIGCHLD, as long as the loop runs. */
int guest_watch_children(struct guest *guest, struct cor_error *err);

/* True for what a container or process may be called: 1 to 64 bytes of [A-Za-z0-9_.-], not starting with a dot. */
bool guest_id_valid(const char *id);

/* Answers a call that has nothing to tell. */
void guest_reply_empty(struct rpc_call *call);
