/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: bytes between a descriptor and nghttp2, whose callbacks become calls in http2.c.
 *
 *     descriptor ready ─┐                       ┌─ read → nghttp2 → call_receive
 *                       ├─► conn_turn: in this order ─ call_deliver for every call
 *     conn_schedule ────┘                       └─ nghttp2 → out → write
 *
 * User callbacks run only inside a turn. They may do anything, even free the connection: that waits for the turn's end. */
#include "rpc/internal.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define READ_SIZE   (256 << 10)
#define WRITE_CHUNK (256 << 10) /* small frames are gathered up to so much before they are written */

static void conn_turn(struct rpc_conn *conn, bool readable);

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void on_kick(uv_idle_t *kick)
{
	uv_idle_stop(kick);
	conn_turn(kick->data, false);
}

void conn_schedule(struct rpc_conn *conn)
{
	if (conn->depth == 0 && !uv_is_closing((uv_handle_t *)conn->kick))
		uv_idle_start(conn->kick, on_kick);
}

static void conn_break(struct rpc_conn *conn, enum cor_status status, int err, const char *text)
{
	if (conn->broken)
		return;
	conn->broken = true;
	cor_fail(&conn->reason, status, err, "%s", text);
	uv_poll_stop(conn->poll);
	for (struct rpc_call *call = conn->calls; call; call = call->next)
		if (!call->closed)
			call_stream_closed(call, &conn->reason);
}

/* ---- writing ---- */

/* A peer that is gone is an error to report, not a signal that ends the program of whoever uses the library. */
static ssize_t put_bytes(struct rpc_conn *conn, const uint8_t *data, size_t size)
{
	return conn->socket ? send(conn->fd, data, size, MSG_NOSIGNAL) : write(conn->fd, data, size);
}

size_t conn_put(struct rpc_conn *conn, const uint8_t *data, size_t size)
{
	size_t done = 0;

	while (done < size && !conn->broken) {
		ssize_t n = put_bytes(conn, data + done, size - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			conn_break(conn, COR_UNAVAILABLE, errno, strerror(errno));
	}
	return done;
}

bool conn_flush(struct rpc_conn *conn)
{
	buffer_consume(&conn->out, conn_put(conn, buffer_bytes(&conn->out), buffer_size(&conn->out)));
	return !buffer_size(&conn->out);
}

/* ---- a turn ---- */

static void feed(struct rpc_conn *conn, const uint8_t *data, size_t size)
{
	size_t own = size;
	bool restarted = conn->server && conn->server_options->inspect &&
			 conn->server_options->inspect(conn->server_options->context, data, size, &own);

	if (!conn->broken && !restarted && nghttp2_session_mem_recv(conn->session, data, own) < 0)
		conn_break(conn, COR_CORRUPT, EPROTO, "the other side does not speak HTTP/2");
	if (restarted)
		conn_break(conn, COR_UNAVAILABLE, ECONNRESET, "the line was restarted");
}

static void conn_read(struct rpc_conn *conn)
{
	static __thread uint8_t data[READ_SIZE];

	/* So much per turn: a fast peer must not keep the loop from its other work. A virtio-serial port gives one of the sender's
	 * buffers at a time, however much waits, so that a short read means nothing there. */
	for (size_t total = 0; total < 4 * sizeof(data) && !conn->broken && !conn->released;) {
		ssize_t n = read(conn->fd, data, sizeof(data));

		if (n > 0) {
			feed(conn, data, (size_t)n);
			total += (size_t)n;
			if ((size_t)n < sizeof(data) && conn->socket)
				return;
		} else if (n == 0) {
			conn_break(conn, COR_UNAVAILABLE, ECONNRESET, "the other side closed the connection");
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			conn_break(conn, COR_UNAVAILABLE, errno, strerror(errno));
		}
	}
}

/* Fills `out` from nghttp2; false when there is no more. */
static bool gather(struct rpc_conn *conn)
{
	while (buffer_size(&conn->out) < WRITE_CHUNK) {
		const uint8_t *data;
		ssize_t n = nghttp2_session_mem_send(conn->session, &data);

		if (n < 0) {
			conn_break(conn, COR_INTERNAL, EPROTO, nghttp2_strerror((int)n));
			return false;
		}
		if (n == 0)
			return false;
		buffer_append(&conn->out, data, (size_t)n);
	}
	return true;
}

static void conn_write(struct rpc_conn *conn)
{
	bool more = true;

	while (!conn->broken && more) {
		size_t before = buffer_size(&conn->out);

		/* DATA frames go into `out` beside mem_send's return value, so its growth is what counts. */
		more = gather(conn) || buffer_size(&conn->out) != before;
		if (!conn_flush(conn))
			return;
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	conn_turn(poll->data, status < 0 || events & (UV_READABLE | UV_DISCONNECT));
}

static void deliver_all(struct rpc_conn *conn)
{
	struct rpc_call *next;

	/* Delivering frees at most the call itself; new ones are put in front. */
	for (struct rpc_call *call = conn->calls; call; call = next) {
		next = call->next;
		call_deliver(call);
	}
}

static void conn_destroy(struct rpc_conn *conn)
{
	struct cor_error reason;

	cor_fail(&reason, COR_UNAVAILABLE, ECONNRESET, "the connection was closed");
	conn->depth++; /* callbacks of the calls' ends may not start turns */
	conn->broken = true;
	while (conn->calls) {
		struct rpc_call *call = conn->calls;

		if (!call->closed)
			call_stream_closed(call, &reason);
		buffer_clear(&call->in);
		call->deaf = true;
		call_deliver(call);
	}
	nghttp2_session_del(conn->session);
	uv_close((uv_handle_t *)conn->poll, free_handle);
	uv_close((uv_handle_t *)conn->kick, free_handle);
	close_fd(&conn->fd);
	buffer_release(&conn->out);
	free(conn);
}

/* Once; the connection may be gone afterwards. */
static void tell_closed(struct rpc_conn *conn)
{
	/* The owner may free the connection first and read the reason then. */
	struct cor_error reason = conn->reason;

	if (conn->told_closed)
		return;
	conn->told_closed = true;
	if (conn->listener)
		listener_forget(conn);
	else if (conn->server && conn->server_options->on_close)
		conn->server_options->on_close(conn, conn->server_options->context);
	else if (!conn->server && conn->client_options.on_close)
		conn->client_options.on_close(conn, &reason, conn->client_options.context);
}

static void conn_turn(struct rpc_conn *conn, bool readable)
{
	conn->depth++;
	if (readable && !conn->broken)
		conn_read(conn);
	if (!conn->released)
		deliver_all(conn);
	if (!conn->released && !conn->broken) {
		conn_write(conn);
		/* nghttp2 has said its last word (GOAWAY): what the other side sent was not HTTP/2, or it wants to end. */
		if (!conn->broken && !nghttp2_session_want_read(conn->session) &&
		    !nghttp2_session_want_write(conn->session) && !buffer_size(&conn->out))
			conn_break(conn, COR_UNAVAILABLE, EPROTO,
				   "the connection ended with a protocol error");
		/* Writing made room: writers want to know, and what they add goes out in a turn of its own. */
		deliver_all(conn);
	}
	conn->depth--;
	if (conn->released) {
		conn_destroy(conn);
		return;
	}
	if (conn->broken) {
		tell_closed(conn);
		return;
	}
	if (nghttp2_session_want_write(conn->session) && buffer_size(&conn->out) == 0)
		conn_schedule(conn);
	uv_poll_start(conn->poll, UV_READABLE | (buffer_size(&conn->out) ? UV_WRITABLE : 0), on_poll);
}

/* ---- making and freeing ---- */

static int conn_new(uv_loop_t *loop, int fd, struct rpc_conn *conn, struct cor_error *err)
{
	struct stat st;
	int r = fd_set_nonblocking(fd, true);

	if (r < 0)
		return cor_fail_errno(err, r, "rpc: descriptor");
	conn->loop = loop;
	conn->fd = -1;
	conn->socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	conn->poll = xcalloc(1, sizeof(*conn->poll));
	r = uv_poll_init(loop, conn->poll, fd);
	if (r < 0) {
		free(conn->poll);
		return cor_fail_errno(err, r, "rpc: the descriptor cannot be polled");
	}
	conn->poll->data = conn;
	conn->kick = xcalloc(1, sizeof(*conn->kick));
	uv_idle_init(loop, conn->kick);
	conn->kick->data = conn;
	r = http2_open(conn);
	if (r < 0) {
		uv_close((uv_handle_t *)conn->poll, free_handle);
		uv_close((uv_handle_t *)conn->kick, free_handle);
		nghttp2_session_del(conn->session);
		return cor_fail_errno(err, r, "rpc: session");
	}
	conn->fd = fd;
	uv_poll_start(conn->poll, UV_READABLE, on_poll);
	conn_schedule(conn);
	return 0;
}

int rpc_serve(uv_loop_t *loop, int fd, const struct rpc_server_options *options, struct rpc_conn **ret,
	      struct cor_error *err)
{
	_fd_ int own = fd;
	_free_ struct rpc_conn *conn = xcalloc(1, sizeof(*conn));
	int r;

	conn->server = true;
	conn->server_options = options;
	r = conn_new(loop, fd, conn, err);
	if (r < 0)
		return r;
	steal_fd(&own);
	*ret = steal_ptr(conn);
	return 0;
}

int rpc_connect(uv_loop_t *loop, int fd, const struct rpc_client_options *options, struct rpc_conn **ret,
		struct cor_error *err)
{
	_fd_ int own = fd;
	_free_ struct rpc_conn *conn = xcalloc(1, sizeof(*conn));
	int r;

	if (options)
		conn->client_options = *options;
	r = conn_new(loop, fd, conn, err);
	if (r < 0)
		return r;
	steal_fd(&own);
	*ret = steal_ptr(conn);
	return 0;
}

bool rpc_conn_alive(const struct rpc_conn *conn)
{
	return conn && !conn->broken && !conn->released;
}

void rpc_conn_free(struct rpc_conn *conn)
{
	if (!conn)
		return;
	if (conn->depth)
		conn->released = true;
	else
		conn_destroy(conn);
}
