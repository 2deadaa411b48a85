/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: bytes between a descriptor and nghttp2, and nghttp2's callbacks turned into calls.
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
#define LARGE_FRAME (16u << 10) /* written without being copied */

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

/* Writes until all is written or no more is taken; how much was. */
static size_t put_all(struct rpc_conn *conn, const uint8_t *data, size_t size)
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

/* What was gathered; true when nothing is left of it. */
static bool flush(struct rpc_conn *conn)
{
	buffer_consume(&conn->out, put_all(conn, buffer_bytes(&conn->out), buffer_size(&conn->out)));
	return !buffer_size(&conn->out);
}

/* ---- nghttp2's callbacks ---- */

static struct rpc_call *call_of(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct rpc_conn *conn = user;

	if (conn->server && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		struct rpc_call *call = call_new(conn, frame->hd.stream_id);

		nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
	}
	return 0;
}

static void copy_header(char *out, size_t size, const uint8_t *value, size_t length)
{
	length = MIN(length, size - 1);
	memcpy(out, value, length);
	out[length] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_length, const uint8_t *value, size_t length, uint8_t flags, void *user)
{
	struct rpc_call *call = call_of(session, frame->hd.stream_id);
	const char *key = (const char *)name; /* nghttp2 ends it with a NUL */
	char number[16];

	if (!call)
		return 0;
	if (strcmp(key, ":path") == 0) {
		copy_header(call->path, sizeof(call->path), value, length);
	} else if (strcmp(key, "content-type") == 0) {
		call->content_type_ok = length >= 16 && memcmp(value, "application/grpc", 16) == 0;
	} else if (strcmp(key, "grpc-timeout") == 0) {
		copy_header(call->timeout, sizeof(call->timeout), value, length);
	} else if (strcmp(key, "grpc-status") == 0) {
		copy_header(number, sizeof(number), value, length);
		call->wire_code = (unsigned)strtoul(number, NULL, 10);
		call->has_status = true;
	} else if (strcmp(key, "grpc-message") == 0) {
		status_decode_message((const char *)value, length, call->status.msg,
				      sizeof(call->status.msg));
	} else if (strcmp(key, "coracle-status") == 0) {
		copy_header(call->wire_word, sizeof(call->wire_word), value, length);
	}
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct rpc_conn *conn = user;
	struct rpc_call *call = call_of(session, frame->hd.stream_id);

	if (!call)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && conn->server && !call->opened)
		server_begin(call);
	if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		call->input_ended = true;
		/* A server that has answered wants no more requests: the call ends, though our half is still open. */
		if (!conn->server)
			call_stop_sending(call);
	}
	return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct rpc_conn *conn = user;
	struct rpc_call *call = call_of(session, frame->hd.stream_id);

	if (call && !conn->server && frame->hd.type == NGHTTP2_HEADERS)
		call_open_window(call);
	if (!call || !conn->server || frame->hd.type != NGHTTP2_HEADERS ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	call->answered = true;
	/* RFC 9113, 8.1: asks a client that has not finished its request to stop. */
	if (!call->input_ended)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

/* A request that never became a stream: the other side said that it takes no more. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
	struct rpc_call *call = NULL;
	struct cor_error reason;

	for (struct rpc_call *c = ((struct rpc_conn *)user)->calls; c && !call; c = c->next)
		if (c->stream == frame->hd.stream_id)
			call = c;
	if (!call || call->conn->server || frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	cor_fail(&reason, COR_UNAVAILABLE, ECONNREFUSED, "the call could not be made: %s",
		 nghttp2_strerror(error));
	call_stream_closed(call, &reason);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
		   void *user)
{
	struct rpc_call *call = call_of(session, stream);

	/* The connection's window never waits for a call, so that one reader cannot stop the others. */
	nghttp2_session_consume_connection(session, size);
	if (call)
		call_receive(call, data, size);
	else
		nghttp2_session_consume_stream(session, stream, size);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
	struct rpc_call *call = call_of(session, stream);
	struct cor_error reason;

	if (!call)
		return 0;
	nghttp2_session_set_stream_user_data(session, stream, NULL);
	if (call->answered) {
		/* However the client left: it had the answer. */
		call_stream_closed(call, NULL);
		return 0;
	}
	if (error == NGHTTP2_REFUSED_STREAM || error == NGHTTP2_ENHANCE_YOUR_CALM)
		cor_fail(&reason, COR_EXHAUSTED, EAGAIN, "the other side takes no more calls at once");
	else if (error == NGHTTP2_CANCEL)
		cor_fail(&reason, COR_CANCELLED, ECANCELED, "the other side cancelled the call");
	else
		cor_fail(&reason, COR_UNAVAILABLE, ECONNRESET, "the call was reset (%s)",
			 nghttp2_http2_strerror(error));
	call_stream_closed(
		call, error == NGHTTP2_NO_ERROR && (call->has_status || call->conn->server) ? NULL : &reason);
	return 0;
}

/* A large frame goes from the call's queue straight to the descriptor, its head written over the bytes before it, which went out already. What is not
 * taken, and all that is small, waits in `out`. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
			nghttp2_data_source *source, void *user)
{
	struct rpc_conn *conn = user;
	struct rpc_call *call = call_of(session, frame->hd.stream_id);
	size_t done = 0;

	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (length >= LARGE_FRAME && call->queue.start >= HTTP2_HEAD && flush(conn)) {
		uint8_t *whole = buffer_bytes(&call->queue) - HTTP2_HEAD;

		memcpy(whole, head, HTTP2_HEAD);
		done = put_all(conn, whole, HTTP2_HEAD + length);
		buffer_append(&conn->out, whole + done, HTTP2_HEAD + length - done);
	} else {
		buffer_append(&conn->out, head, HTTP2_HEAD);
		buffer_append(&conn->out, buffer_bytes(&call->queue), length);
	}
	buffer_consume(&call->queue, length);
	if (call->small && !buffer_size(&call->queue))
		buffer_release(&call->queue);
	return 0;
}

static ssize_t choose_frame_size(nghttp2_session *session, uint8_t type, int32_t stream,
				 int32_t session_window, int32_t stream_window, uint32_t max_frame,
				 void *user)
{
	return MIN(MIN((int64_t)session_window, (int64_t)stream_window),
		   MIN((int64_t)max_frame, (int64_t)FRAME_SIZE - HTTP2_HEAD));
}

static int session_make(struct rpc_conn *conn)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, RPC_MAX_CALLS},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, RPC_SMALL},
		{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16 << 10},
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&option)) {
		nghttp2_session_callbacks_del(callbacks);
		return -ENOMEM;
	}
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, choose_frame_size);
	r = conn->server ? nghttp2_session_server_new2(&conn->session, callbacks, conn, option)
			 : nghttp2_session_client_new2(&conn->session, callbacks, conn, option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	/* A client may say that it wants no push; a server has nothing to say of it. */
	if (r == 0)
		r = nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings,
					    ARRAY_SIZE(settings) - (conn->server ? 1 : 0));
	if (r == 0)
		r = nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
							  CONNECTION_WINDOW);
	return r ? -ENOMEM : 0;
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
		if (!flush(conn))
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
	r = session_make(conn);
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
