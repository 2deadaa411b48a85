/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's HTTP/2: what nghttp2 calls back with becomes calls, and the frames that it wants sent go to the connection. */
#include "rpc/internal.h"

#include "base/str.h"

#include <errno.h>

#define LARGE_FRAME (16u << 10) /* written without being copied */

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
	if (length >= LARGE_FRAME && call->queue.start >= HTTP2_HEAD && conn_flush(conn)) {
		uint8_t *whole = buffer_bytes(&call->queue) - HTTP2_HEAD;

		memcpy(whole, head, HTTP2_HEAD);
		done = conn_put(conn, whole, HTTP2_HEAD + length);
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

int http2_open(struct rpc_conn *conn)
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
