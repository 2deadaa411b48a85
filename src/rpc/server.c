/* SPDX-License-Identifier: Apache-2.0 */
/* The server's part: finding the method of a request, gathering the one message of a unary one, and listening on a socket. */
#include "rpc/internal.h"

#include "base/str.h"

#include <errno.h>
#include <sys/socket.h>

#define REST_MS 100 /* before the next try to accept */

struct rpc_listener {
	uv_loop_t *loop;
	const struct rpc_server_options *options;
	uv_poll_t *poll;
	uv_timer_t *rest; /* after a failure to accept; made when it is first needed */
	int fd;
	struct rpc_conn *connections;
};

/* ---- dispatch ---- */

static void unary_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	ProtobufCMessage **request = user;
	struct cor_error err;

	if (*request) {
		cor_fail(&err, COR_INVALID, EPROTO, "%s takes one message", call->method->name);
		rpc_call_finish(call, &err);
		return;
	}
	*request = rpc_decode(call->method->request, data, size, &err);
	if (!*request)
		rpc_call_finish(call, &err);
}

static void unary_free(struct rpc_call *call, const struct cor_error *status, void *user)
{
	ProtobufCMessage **request = user;

	if (*request)
		protobuf_c_message_free_unpacked(*request, NULL);
	free(request);
}

static void unary_complete(struct rpc_call *call, void *user)
{
	ProtobufCMessage **slot = user, *request = *slot;
	struct cor_error err = {0};
	int r;

	if (call->half_closed)
		return;
	if (!request) {
		cor_fail(&err, COR_INVALID, EPROTO, "%s takes one message", call->method->name);
		rpc_call_finish(call, &err);
		return;
	}
	/* From here on the handler may listen itself. */
	*slot = NULL;
	free(slot);
	call->events = (struct rpc_call_events){0};
	call->user = NULL;
	r = call->method->unary(call->service->context, call, request, &err);
	if (r < 0)
		rpc_call_finish(call, &err);
	protobuf_c_message_free_unpacked(request, NULL);
}

static const struct rpc_call_events unary_events = {
	.on_message = unary_message,
	.on_half_close = unary_complete,
	.on_end = unary_free,
};

static int find_method(struct rpc_call *call)
{
	const struct rpc_server_options *options = call->conn->server_options;

	for (size_t i = 0; i < options->service_count; i++) {
		const struct rpc_service *service = &options->services[i];
		size_t length = strlen(service->name);

		if (call->path[0] != '/' || strncmp(call->path + 1, service->name, length) != 0 ||
		    call->path[length + 1] != '/')
			continue;
		for (size_t m = 0; m < service->method_count; m++)
			if (strcmp(call->path + length + 2, service->methods[m].name) == 0) {
				call->service = service;
				call->method = &service->methods[m];
				return 0;
			}
		return -ENOENT;
	}
	return -ENXIO;
}

void server_begin(struct rpc_call *call)
{
	const struct rpc_server_options *options = call->conn->server_options;
	struct cor_error err = {0};
	int r = find_method(call);

	call->opened = true;
	if (!call->content_type_ok) {
		r = cor_fail(&err, COR_INVALID, EPROTO, "not a gRPC request");
	} else if (r == 0) {
		if (call->method->max_request)
			call->max_message = call->method->max_request;
		call->small = call->method->small;
		if (call->method->client_streams)
			r = call->method->stream(call->service->context, call, &err);
		else
			rpc_call_listen(call, &unary_events, xcalloc(1, sizeof(ProtobufCMessage *)));
	} else if (r == -ENXIO && options->unknown) {
		r = options->unknown(options->context, call, call->path, &err);
	} else {
		r = cor_fail(&err, COR_UNSUPPORTED, ENOSYS, "there is no method %s here", call->path);
	}
	if (r < 0)
		rpc_call_finish(call, &err);
	else
		call_open_window(call);
}

/* ---- listening ---- */

static void listener_add(struct rpc_listener *listener, struct rpc_conn *conn)
{
	conn->listener = listener;
	conn->next = listener->connections;
	listener->connections = conn;
}

void listener_forget(struct rpc_conn *conn)
{
	struct rpc_conn **link = &conn->listener->connections;

	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	rpc_conn_free(conn);
}

int rpc_listener_adopt(struct rpc_listener *listener, int fd, struct cor_error *err)
{
	struct rpc_conn *conn = NULL;
	int r = rpc_serve(listener->loop, fd, listener->options, &conn, err);

	if (r == 0)
		listener_add(listener, conn);
	return r;
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
	struct rpc_listener *listener = timer->data;

	uv_poll_start(listener->poll, UV_READABLE, on_connection);
}

/* Out of descriptors or memory, with a connection still in the queue: polling would come back at once, for ever. */
static void rest(struct rpc_listener *listener)
{
	if (!listener->rest) {
		listener->rest = xcalloc(1, sizeof(*listener->rest));
		uv_timer_init(listener->loop, listener->rest);
		listener->rest->data = listener;
	}
	uv_poll_stop(listener->poll);
	uv_timer_start(listener->rest, on_rested, REST_MS, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct rpc_listener *listener = poll->data;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0)
		rpc_listener_adopt(listener, fd, NULL);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		rest(listener);
	/* Otherwise the connection went away again. */
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

int rpc_listen(uv_loop_t *loop, int fd, const struct rpc_server_options *options, struct rpc_listener **ret,
	       struct cor_error *err)
{
	struct rpc_listener *listener = xcalloc(1, sizeof(*listener));
	int r;

	*listener = (struct rpc_listener){.loop = loop, .options = options, .fd = -1};
	r = fd < 0 ? 0 : rpc_listener_open(listener, fd, err);
	if (r < 0)
		rpc_listener_free(listener);
	else
		*ret = listener;
	return r;
}

int rpc_listener_open(struct rpc_listener *listener, int fd, struct cor_error *err)
{
	_fd_ int own = fd;
	uv_poll_t *poll = xcalloc(1, sizeof(*poll));
	int r = uv_poll_init(listener->loop, poll, fd);

	if (r < 0) {
		free(poll);
		return cor_fail_errno(err, r, "rpc: listen");
	}
	poll->data = listener;
	uv_poll_start(poll, UV_READABLE, on_connection);
	listener->poll = poll;
	listener->fd = steal_fd(&own);
	return 0;
}

bool rpc_listener_drained(const struct rpc_listener *listener)
{
	for (const struct rpc_conn *conn = listener->connections; conn; conn = conn->next)
		if (!conn->broken && (buffer_size(&conn->out) || nghttp2_session_want_write(conn->session)))
			return false;
	return true;
}

void rpc_listener_free(struct rpc_listener *listener)
{
	if (!listener)
		return;
	while (listener->connections)
		listener_forget(listener->connections);
	if (listener->poll)
		uv_close((uv_handle_t *)listener->poll, free_handle);
	if (listener->rest)
		uv_close((uv_handle_t *)listener->rest, free_handle);
	close_fd(&listener->fd);
	free(listener);
}
