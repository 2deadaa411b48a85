/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC over any byte stream: a unix socket, a socket pair, a virtio-serial port.
 *
 * HTTP/2 is nghttp2's, messages are protobuf-c's; this module has what lies between (the protocol of gRPC over HTTP/2: length-prefixed
 * messages, status trailers, deadlines, flow control) on one libuv loop. A connection has a role, client or server;
 * a call is one stream of it, and looks the same from both ends: messages out, messages in, an end.
 *
 * Nothing blocks but the functions named *_sync. Callbacks run from the loop, never from inside a function that the user
 * called; a connection or call may be released from inside its own callbacks.
 *
 * Memory is bounded: a message larger than the receiver's limit ends the call with RESOURCE_EXHAUSTED before it is buffered; a receiver that pauses
 * stops the sender through HTTP/2 flow control, for its own call only; a sender sees rpc_call_queued grow and waits for on_writable. */
#pragma once

#include "base/error.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct rpc_conn;
struct rpc_call;

#define RPC_MAX_MESSAGE (4u << 20)   /* default limit of one received message, bytes */
#define RPC_HIGH_WATER  (1u << 20)   /* a polite sender stops here … */
#define RPC_LOW_WATER   (256u << 10) /* … and on_writable comes when this is reached */
#define RPC_MAX_CALLS   768u         /* at once on one connection, per direction */
#define RPC_SMALL       (128u << 10) /* a window for calls of which there may be hundreds */
#define RPC_NO_DEADLINE 0

/* What a user of a call hears. Any may be NULL. */
struct rpc_call_events {
	/* One whole message; data is valid during the callback only. */
	void (*on_message)(struct rpc_call *call, const uint8_t *data, size_t size, void *user);
	/* The other side sends no more messages (a client closed its half; for a client: never before on_end). */
	void (*on_half_close)(struct rpc_call *call, void *user);
	/* rpc_call_queued fell to RPC_LOW_WATER after it had been above. */
	void (*on_writable)(struct rpc_call *call, void *user);
	/* The call is over, exactly once, after all messages were delivered; the call is released after this returns.
	 * status->status is COR_OK for success. On a server it tells how the client left: COR_OK after a complete
	 * answer, COR_CANCELLED when it reset, COR_UNAVAILABLE when the connection broke. */
	void (*on_end)(struct rpc_call *call, const struct cor_error *status, void *user);
};

/* ---- connections ---- */

/* A method that a server offers. */
struct rpc_method {
	const char *name; /* "CreateContainer" */
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response; /* of every response message */
	size_t max_request;                         /* bytes; 0: RPC_MAX_MESSAGE */
	bool small;                                 /* its calls have small windows, see rpc_call_options */
	bool client_streams;
	/* Unary request: called with the one message. Returns 0 when it has answered (rpc_call_reply, or messages and rpc_call_finish) or
	 * will answer later; an error becomes the call's status. The message is the callee's to read during the call. */
	int (*unary)(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err);
	/* Streaming request: called when the headers are there; sets its events with rpc_call_listen. Same returns. */
	int (*stream)(void *service, struct rpc_call *call, struct cor_error *err);
};

struct rpc_service {
	const char *name; /* "coracle.agent.v1.Agent" */
	const struct rpc_method *methods;
	size_t method_count;
	void *context; /* given to the methods as `service` */
};

struct rpc_server_options {
	const struct rpc_service *services;
	size_t service_count;
	/* Calls of services that are not in the list, by full path "/pkg.Service/Method": for relays. NULL: UNIMPLEMENTED. */
	int (*unknown)(void *context, struct rpc_call *call, const char *path, struct cor_error *err);
	void *context;
	/* The connection is gone; release it here. */
	void (*on_close)(struct rpc_conn *conn, void *context);
	/* Sees every byte that comes before HTTP/2 does; for a line without sessions (handshake.h). True: the line was restarted and this
	 * connection is over; what follows the first *ret_end bytes belongs to the next one. May be NULL. */
	bool (*inspect)(void *context, const uint8_t *data, size_t size, size_t *ret_end);
};

/* Serves one connection over fd, which is taken over and made non-blocking (a socket, a pipe, a character device that can be polled). The
 * options' arrays are borrowed for the connection's life. */
int rpc_serve(uv_loop_t *loop, int fd, const struct rpc_server_options *options, struct rpc_conn **ret,
	      struct cor_error *err);

struct rpc_client_options {
	const char *authority; /* NULL: "localhost" */
	void (*on_close)(struct rpc_conn *conn, const struct cor_error *reason, void *context);
	void *context;
};

/* The client's end over fd (taken over as above). */
int rpc_connect(uv_loop_t *loop, int fd, const struct rpc_client_options *options, struct rpc_conn **ret,
		struct cor_error *err);

/* False once the line broke, though on_close may not have been called yet. NULL is fine. */
bool rpc_conn_alive(const struct rpc_conn *conn);

/* Ends all calls (their on_end gets COR_UNAVAILABLE) and closes fd. on_close is not called from here. NULL is fine. */
void rpc_conn_free(struct rpc_conn *conn);

/* A listening unix socket whose connections are served with the options (their on_close is the listener's business: NULL). Takes over fd; with -1 nothing
 * is listened to before rpc_listener_open, once, gives it the socket. */
struct rpc_listener;
int rpc_listen(uv_loop_t *loop, int fd, const struct rpc_server_options *options, struct rpc_listener **ret,
	       struct cor_error *err);
int rpc_listener_open(struct rpc_listener *listener, int fd, struct cor_error *err);
/* Serves a connection that exists already as if it had been accepted; takes over fd. */
int rpc_listener_adopt(struct rpc_listener *listener, int fd, struct cor_error *err);
/* True when no connection has bytes left that its descriptor has not taken. */
bool rpc_listener_drained(const struct rpc_listener *listener);
void rpc_listener_free(struct rpc_listener *listener); /* closes its connections too */

/* ---- calls ---- */

struct rpc_call_options {
	uint64_t timeout_ms; /* RPC_NO_DEADLINE, or COR_TIMEOUT after so long; also sent as grpc-timeout */
	size_t max_message;  /* of a response; 0: RPC_MAX_MESSAGE */
	/* What may wait at either end of it is RPC_SMALL bytes instead of RPC_HIGH_WATER, and on_writable comes at a quarter of that. */
	bool small;
};

/* Begins a call of "/pkg.Service/Method". Requests follow with rpc_call_send and rpc_call_half_close. */
int rpc_call_begin(struct rpc_conn *conn, const char *path, const struct rpc_call_options *options,
		   const struct rpc_call_events *events, void *user, struct rpc_call **ret,
		   struct cor_error *err);

/* Sets (or replaces) who hears of the call; for a server's streaming methods and relays. */
void rpc_call_listen(struct rpc_call *call, const struct rpc_call_events *events, void *user);
/* Milliseconds until the client's deadline, or RPC_NO_DEADLINE. */
uint64_t rpc_call_timeout_ms(const struct rpc_call *call);

/* Queues one message. Fails only when the call is over (-EPIPE) or the message is larger than 4 GiB. */
int rpc_call_send(struct rpc_call *call, const void *data, size_t size);
int rpc_call_send_message(struct rpc_call *call, const ProtobufCMessage *message);
/* Queues a message made of a head and a body (a protobuf field's tag and length, then its bytes) without copying them into one piece first. */
int rpc_call_send_parts(struct rpc_call *call, const void *head, size_t head_size, const void *body,
			size_t body_size);
/* Where a body of at most size bytes behind a head of head_size would come to lie, until the next call of any function: what is read into this place is
 * sent by rpc_call_send_parts without being copied. */
uint8_t *rpc_call_room(struct rpc_call *call, size_t head_size, size_t size);
size_t rpc_call_queued(const struct rpc_call *call); /* bytes not yet handed to the stream */
bool rpc_call_full(const struct rpc_call *call);     /* a polite sender waits for on_writable */

void rpc_call_half_close(struct rpc_call *call); /* client: no more requests */
/* Server: ends the call after what is queued; NULL or COR_OK for success. */
void rpc_call_finish(struct rpc_call *call, const struct cor_error *status);
/* Server: one message and success. */
void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *message);
/* Client: resets the stream; on_end comes with COR_CANCELLED. Server: resets with status CANCELLED. */
void rpc_call_cancel(struct rpc_call *call);

/* Client: ends the call with COR_TIMEOUT after so many milliseconds from now; RPC_NO_DEADLINE: never. Replaces what was set before, and is not
 * told to the server. For calls of which only the beginning has a deadline. */
void rpc_call_deadline(struct rpc_call *call, uint64_t timeout_ms);

/* While paused no on_message or on_half_close comes and the sender's window shrinks to nothing. Starts unpaused; nests not. */
void rpc_call_pause(struct rpc_call *call);
void rpc_call_resume(struct rpc_call *call);

/* Joins a server's call with a new client call of the same path on another connection: messages, half-closes, cancellation, deadline
 * and status pass both ways, with flow control. timeout_ms is the deadline of a call whose client gave none. */
int rpc_relay(struct rpc_call *incoming, struct rpc_conn *to, const char *path, uint64_t timeout_ms,
	      struct cor_error *err);

/* ---- helpers ---- */

/* Decodes a message, with every size checked; NULL and err filled when it is malformed. Free with protobuf_c_message_free_unpacked. */
ProtobufCMessage *rpc_decode(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
			     struct cor_error *err);

/* One unary call from begin to end, running the loop meanwhile (other events of the loop are served too). *ret_response is the caller's. */
int rpc_call_sync(struct rpc_conn *conn, const char *path, const ProtobufCMessage *request,
		  const ProtobufCMessageDescriptor *response_type, uint64_t timeout_ms,
		  ProtobufCMessage **ret_response, struct cor_error *err);

/* The same without blocking: done is called once, with the response (borrowed) or NULL and the status. */
int rpc_call_unary(struct rpc_conn *conn, const char *path, const ProtobufCMessage *request,
		   const ProtobufCMessageDescriptor *response_type, uint64_t timeout_ms,
		   void (*done)(const ProtobufCMessage *response, const struct cor_error *status, void *user),
		   void *user, struct cor_error *err);
