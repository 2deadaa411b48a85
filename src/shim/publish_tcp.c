/* SPDX-License-Identifier: Apache-2.0 */
/* A connection has two sides, which are alike:
 *
 *   CONNECTING ──► OPEN ──(one side ended: the other is told, and may go on)──► HALF ──(so did the other)──► CLOSED
 *        │           └──────────────(an error of either: the other is reset)─────┴─────────────────────────────┘
 *        └─────────────(the target refuses: the client is reset)───────────────────────────────────────────────┘
 */
#include "shim/publish_tcp.h"

#include "base/str.h"

#include <errno.h>

#define BUFFER_SIZE (64 << 10)
#define BACKLOG     512

struct connection;

struct side {
	uv_tcp_t handle;
	struct connection *connection;
	struct side *other;
	char *pending; /* what it did not take yet, while `write` is under way */
	uv_write_t write;
	uv_shutdown_t shutdown;
	bool ended;    /* it sends no more */
	bool finished; /* it was told that the other sends no more */
};

struct connection {
	struct connection *next, **back;
	struct tcp_relay *relay;
	struct side client, target;
	uv_connect_t connect;
	unsigned open; /* handles */
	bool foreign;  /* not of the host's loopback */
	bool closing;
};

struct listener {
	struct listener *next;
	struct tcp_relay *relay;
	uv_tcp_t handle;
	union relay_address target;
	bool waiting; /* a connection to be accepted, when there is room */
};

struct tcp_relay {
	uv_loop_t *loop;
	struct listener *listeners;
	struct connection *connections;
	unsigned count;   /* of connections … */
	unsigned foreign; /* … and of those that are foreign */
	unsigned handles; /* that the loop has, of listeners and connections */
	bool stopped;
	char buffer[BUFFER_SIZE];
};

struct tcp_relay *tcp_relay_new(uv_loop_t *loop)
{
	struct tcp_relay *relay = xcalloc(1, sizeof(*relay));

	relay->loop = loop;
	return relay;
}

/* ---- the end ---- */

static void accept_waiting(struct tcp_relay *relay);

static void let_go(struct tcp_relay *relay)
{
	if (relay->handles || !relay->stopped)
		return;
	while (relay->listeners) {
		struct listener *next = relay->listeners->next;

		free(relay->listeners);
		relay->listeners = next;
	}
	free(relay);
}

static void on_side_closed(uv_handle_t *handle)
{
	struct side *side = handle->data;
	struct connection *connection = side->connection;
	struct tcp_relay *relay = connection->relay;

	free(side->pending);
	relay->handles--;
	if (--connection->open)
		return;
	*connection->back = connection->next;
	if (connection->next)
		connection->next->back = connection->back;
	relay->count--;
	relay->foreign -= connection->foreign;
	free(connection);
	accept_waiting(relay);
	let_go(relay);
}

static void close_side(struct side *side, bool reset)
{
	/* One that is being told of an end cannot be reset any more. */
	if (!reset || uv_tcp_close_reset(&side->handle, on_side_closed) < 0)
		uv_close((uv_handle_t *)&side->handle, on_side_closed);
}

static void close_connection(struct connection *connection, bool reset)
{
	if (connection->closing)
		return;
	connection->closing = true;
	close_side(&connection->client, reset);
	close_side(&connection->target, reset);
}

/* ---- bytes ---- */

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer);

/* One for all: what was read is gone, or copied, when the callback returns. */
static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct side *side = handle->data;

	*ret = uv_buf_init(side->connection->relay->buffer, BUFFER_SIZE);
}

static void read_on(struct side *side)
{
	if (!side->ended && !side->connection->closing &&
	    uv_read_start((uv_stream_t *)&side->handle, give_buffer, on_read) < 0)
		close_connection(side->connection, true);
}

static void on_written(uv_write_t *request, int status)
{
	struct side *side = request->data;

	free(steal_ptr(side->pending));
	if (status < 0)
		close_connection(side->connection, true);
	else
		read_on(side->other);
}

/* What it does not take at once waits, and with it the other side. */
static int pass_on(struct side *side, const char *data, size_t size)
{
	uv_stream_t *stream = (uv_stream_t *)&side->handle;
	uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)data, (unsigned)size);
	int taken = uv_try_write(stream, &buffer, 1);

	if (taken < 0 && taken != UV_EAGAIN)
		return taken;
	taken = MAX(taken, 0);
	if ((size_t)taken == size)
		return 0;
	uv_read_stop((uv_stream_t *)&side->other->handle);
	side->pending = xmemdup(data + taken, size - (size_t)taken);
	side->write.data = side;
	buffer = uv_buf_init(side->pending, (unsigned)(size - (size_t)taken));
	return uv_write(&side->write, stream, &buffer, 1, on_written);
}

static void on_told(uv_shutdown_t *request, int status)
{
	struct side *side = request->data;

	side->finished = true;
	if (status < 0 || side->other->finished)
		close_connection(side->connection, status < 0);
}

static void on_end(struct side *side)
{
	struct side *other = side->other;

	side->ended = true;
	uv_read_stop((uv_stream_t *)&side->handle);
	other->shutdown.data = other;
	if (uv_shutdown(&other->shutdown, (uv_stream_t *)&other->handle, on_told) < 0)
		close_connection(side->connection, true);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct side *side = stream->data;

	if (n == UV_EOF)
		on_end(side);
	else if (n < 0 || (n > 0 && pass_on(side->other, buffer->base, (size_t)n) < 0))
		close_connection(side->connection, true);
}

/* ---- the beginning ---- */

static void on_connected(uv_connect_t *request, int status)
{
	struct connection *connection = request->data;

	if (status < 0) {
		close_connection(connection, true);
		return;
	}
	uv_tcp_nodelay(&connection->client.handle, 1);
	uv_tcp_nodelay(&connection->target.handle, 1);
	read_on(&connection->client);
	read_on(&connection->target);
}

static int init_side(struct connection *connection, struct side *side, struct side *other)
{
	int r = uv_tcp_init(connection->relay->loop, &side->handle);

	if (r < 0)
		return r;
	side->connection = connection;
	side->other = other;
	side->handle.data = side;
	connection->open++;
	connection->relay->handles++;
	return 0;
}

static struct connection *new_connection(struct tcp_relay *relay)
{
	struct connection *connection = xcalloc(1, sizeof(*connection));

	connection->relay = relay;
	connection->next = relay->connections;
	connection->back = &relay->connections;
	if (connection->next)
		connection->next->back = &connection->next;
	relay->connections = connection;
	relay->count++;
	/* Nothing is opened yet that could fail. */
	(void)init_side(connection, &connection->client, &connection->target);
	(void)init_side(connection, &connection->target, &connection->client);
	return connection;
}

static int admit(struct connection *connection)
{
	union relay_address peer = {0};
	int size = sizeof(peer), r = uv_tcp_getpeername(&connection->client.handle, &peer.any, &size);

	if (r < 0)
		return r;
	connection->foreign = !relay_is_loopback(&peer);
	connection->relay->foreign += connection->foreign;
	return connection->foreign && connection->relay->foreign > TCP_RELAY_MAX / 2 ? UV_EMFILE : 0;
}

static void accept_one(struct listener *listener)
{
	struct connection *connection = new_connection(listener->relay);
	int r = uv_accept((uv_stream_t *)&listener->handle, (uv_stream_t *)&connection->client.handle);

	connection->connect.data = connection;
	r = r ?: admit(connection);
	if (r == 0)
		r = uv_tcp_connect(&connection->connect, &connection->target.handle, &listener->target.any,
				   on_connected);
	if (r < 0)
		close_connection(connection, true);
}

/* One that is not accepted keeps its listener from looking for more. */
static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;

	if (status < 0 || listener->relay->stopped)
		return;
	if (listener->relay->count >= TCP_RELAY_MAX)
		listener->waiting = true;
	else
		accept_one(listener);
}

static void accept_waiting(struct tcp_relay *relay)
{
	for (struct listener *l = relay->listeners; l && !relay->stopped; l = l->next) {
		if (relay->count >= TCP_RELAY_MAX)
			return;
		if (!l->waiting)
			continue;
		l->waiting = false;
		accept_one(l);
	}
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *listener = handle->data;

	listener->relay->handles--;
	let_go(listener->relay);
}

int tcp_relay_add(struct tcp_relay *relay, int fd, const union relay_address *target)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));
	int r = uv_tcp_init(relay->loop, &listener->handle);

	if (r < 0) {
		free(listener);
		close(fd);
		return r;
	}
	listener->relay = relay;
	listener->target = *target;
	listener->handle.data = listener;
	listener->next = relay->listeners;
	relay->listeners = listener;
	relay->handles++;
	r = uv_tcp_open(&listener->handle, fd);
	if (r < 0)
		close(fd);
	return r < 0 ? r : uv_listen((uv_stream_t *)&listener->handle, BACKLOG, on_connection);
}

void tcp_relay_free(struct tcp_relay *relay)
{
	if (!relay)
		return;
	relay->stopped = true;
	for (struct listener *l = relay->listeners; l; l = l->next)
		uv_close((uv_handle_t *)&l->handle, on_listener_closed);
	/* What the client's kernel has of them still gets there. */
	for (struct connection *c = relay->connections; c; c = c->next)
		close_connection(c, false);
	let_go(relay);
}
