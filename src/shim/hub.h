/* SPDX-License-Identifier: Apache-2.0 */
/* The first process's streams, between the guest and any number of clients.
 *
 * Output goes to the log and to every client that wants it. The foreground client, if there is one, slows the process down: while its
 * queue is full, nothing is taken from the guest. Another client that falls too far behind is dropped and told so. Input comes from
 * one client at a time. */
#pragma once

#include "rpc/rpc.h"

struct shim;
struct hub;

struct hub *hub_new(struct shim *shim);
void hub_free(struct hub *hub);
/* Another one, for another process, in its place; false while the former's streams are open. */
bool hub_renew(struct hub **hub);

/* Opens the streams in the guest; opened is called when it has them. */
int hub_open(struct hub *hub, void (*opened)(struct shim *shim), struct cor_error *err);
/* The process runs: input may flow. */
void hub_running(struct hub *hub);
/* From here on no client holds the process's output back: it is to end, and its end comes after its output. The foreground client becomes one like the
 * others. */
void hub_let_flow(struct hub *hub);
/* True when the foreground client holds the output back and has read nothing since the last question. */
bool hub_is_stuck(struct hub *hub);
/* Ends every client: with the exit status, or with the failure. */
void hub_end(struct hub *hub);

/* The method Attach. */
int hub_attach(void *service, struct rpc_call *call, struct cor_error *err);

/* The messages AttachProcessResponse and AttachResponse have the same fields, and so have the requests of Attach, Exec and AttachProcess but for the first:
 * they pass through as they are, after rpc_field_parse has looked at them. */
enum stream_kind {
	STREAM_OPEN = 1,
	STREAM_STDOUT = 1,
	STREAM_STDERR = 2,
	STREAM_STDIN = 2,
	STREAM_EXIT = 3,
	STREAM_CLOSE = 3,
	STREAM_ATTACHED = 4,
	STREAM_RESIZE = 4
};
