/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a cor_session. */
#pragma once

#include "base/buffer.h"
#include "container/detach_keys.h"
#include "container/shim_client.h"
#include "container/trace.h"
#include "coracle/container.h"

#include <stdatomic.h>

struct cor_session {
	struct shim_client *client; /* owned */
	struct rpc_call *call;      /* the Attach or Exec; NULL once it is over */
	char *process_id;           /* for signals; NULL: the container's first process */
	struct cor_streams streams;
	struct detach_keys keys;

	bool attached; /* the first response came */
	bool finished; /* the call is over: exit or failure says how */
	bool has_exit, detached;
	struct cor_exit exit;
	struct cor_error failure; /* COR_OK: none */

	int input_epoll; /* polls streams.in; -1 when there is none or it has ended */
	uv_poll_t input_poll;
	bool input_polled;    /* input_poll is initialised */
	uv_idle_t input_idle; /* for regular files, which cannot be polled */
	bool input_idles, input_paused;

	/* Set from anywhere, taken by the loop when wake_fd is readable. */
	int wake_fd; /* eventfd */
	uv_poll_t wake_poll;
	atomic_ullong signals; /* bit n - 1: signal n */
	atomic_uint window;    /* rows << 16 | columns; 0: none */
	atomic_bool interrupted;

	struct trace trace; /* of one that started a container; otherwise empty */
};

/* A session over a connection, which it takes over (also on failure). streams are borrowed until it is freed. */
int session_new(struct shim_client *client, const struct cor_streams *streams, struct cor_session **ret,
		struct cor_error *err);

/* Fills err: these are no detach keys. */
int session_bad_keys(const char *keys, struct cor_error *err);

/* Begins the call and sends the first request. */
int session_attach(struct cor_session *session, bool foreground, struct cor_error *err);
int session_exec(struct cor_session *session, const struct cor_process_options *process,
		 const char *process_json, bool detach, struct cor_error *err);

/* Runs the loop until the other side has said that the streams are connected. */
int session_await_attached(struct cor_session *session, struct cor_error *err);

/* session_input.c: watches streams.in from session_input_start on, where there is one. */
int session_input_open(struct cor_session *session, struct cor_error *err);
void session_input_start(struct cor_session *session);
void session_input_stop(struct cor_session *session);
void session_input_resume(struct rpc_call *call, void *session); /* the call has room again */
