/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. See rpc.h for the theory. */
#pragma once

#include "base/buffer.h"
#include "rpc/rpc.h"
#include "rpc/status.h"

#include <nghttp2/nghttp2.h>

#define STREAM_WINDOW                                                                                        \
	(1                                                                                                   \
	 << 20) /* what a sender may send before we have read it, per call (RPC_SMALL if it is a small one) … */
#define CONNECTION_WINDOW (16 << 20) /* … and over all */
#define FRAME_SIZE        (256 << 10)
#define FRAME_HEAD        5u /* compressed flag and length before each message */
#define HTTP2_HEAD        9u /* before each frame */

/* One connection. Everything happens in conn_turn and below, which the loop calls: when the descriptor is ready, and after anybody
 * asked for a turn (conn_schedule). */
struct rpc_conn {
	uv_loop_t *loop;
	int fd;
	uv_poll_t *poll; /* heap, since libuv closes handles later */
	/* Active while a turn is wanted; an idle handle, since the loop does not sleep while one is active. */
	uv_idle_t *kick;
	nghttp2_session *session;
	bool server;
	bool socket; /* takes send(2), which raises no SIGPIPE */
	const struct rpc_server_options *server_options;
	struct rpc_client_options client_options;
	struct rpc_listener *listener; /* whose connection it is, or NULL */
	struct rpc_conn *next;         /* in the listener's list */
	struct rpc_call *calls;
	struct buffer out; /* bytes on their way to the descriptor */
	unsigned depth;    /* turns under way: the memory must stay */
	bool released;     /* rpc_conn_free was called in the middle of a turn */
	bool broken;       /* no more input or output */
	bool told_closed;  /* the owner knows */
	struct cor_error reason;
};

struct rpc_call {
	struct rpc_conn *conn; /* NULL once the stream is gone */
	struct rpc_call *next;
	int32_t stream;
	struct rpc_call_events events;
	void *user;
	size_t max_message;
	bool small; /* of its windows */

	/* Coming in. */
	struct buffer in; /* bytes not yet delivered */
	size_t held_back; /* received while paused: the sender's window lacks them */
	bool paused;
	bool input_ended;      /* the peer's half is closed … */
	bool told_input_ended; /* … and the user knows */
	bool deaf;             /* nobody wants what still comes in: it is thrown away */

	/* Going out. */
	struct buffer queue; /* framed messages */
	bool deferred;       /* nghttp2 waits for nghttp2_session_resume_data */
	bool full;           /* the queue was above RPC_HIGH_WATER: on_writable is due */
	bool half_closed;    /* client: no more after the queue; server: rpc_call_finish was called */
	bool submitted;      /* server: response headers are out */
	bool answered;       /* server: the trailers went out */

	/* The end. */
	bool closed;     /* the stream is gone; on_end is due once the messages are delivered */
	bool has_status; /* grpc-status came (client) or rpc_call_finish was called (server) */
	unsigned wire_code;
	char wire_word[32];
	struct cor_error status;
	uv_timer_t *timer;

	/* Server only. */
	const struct rpc_method *method;
	const struct rpc_service *service;
	char path[192];
	char timeout[16]; /* grpc-timeout as it came */
	bool content_type_ok;
	bool opened; /* the handler was called */
};

#define HTTP2_FIELD(n, v)                                                                                    \
	{                                                                                                    \
		(uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), NGHTTP2_NV_FLAG_NONE                   \
	}

/* conn.c */
void conn_schedule(struct rpc_conn *conn);
/* Writes until all is written or no more is taken; how much was. */
size_t conn_put(struct rpc_conn *conn, const uint8_t *data, size_t size);
/* Writes what was gathered in `out`; true when nothing is left of it. */
bool conn_flush(struct rpc_conn *conn);

/* http2.c: makes conn->session and says the first words. 0 or -ENOMEM, when the session is to be freed all the same. */
int http2_open(struct rpc_conn *conn);

/* call.c */
struct rpc_call *call_new(struct rpc_conn *conn, int32_t stream);
void call_free(struct rpc_call *call);
void call_receive(struct rpc_call *call, const uint8_t *data, size_t size);
/* Delivers what can be delivered, and the end when it is due; the call may be gone afterwards. */
void call_deliver(struct rpc_call *call);
/* Streams begin with small windows; gives this one its own. */
void call_open_window(struct rpc_call *call);
/* Ends this half without what is queued. */
void call_stop_sending(struct rpc_call *call);
/* The stream is gone: fixes the status. */
void call_stream_closed(struct rpc_call *call, const struct cor_error *reason);
/* Ends the call from this side: the stream is reset, the status stands, on_end comes in a turn. */
void call_abort(struct rpc_call *call, enum cor_status status, int err, const char *text);
ssize_t call_read_queue(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length,
			uint32_t *flags, nghttp2_data_source *source, void *user);

/* server.c */
void server_begin(struct rpc_call *call);    /* a request's headers are complete */
void listener_forget(struct rpc_conn *conn); /* frees one of its connections */
