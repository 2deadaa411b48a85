/* SPDX-License-Identifier: Apache-2.0 */
/* A call: gRPC's framing of messages on one HTTP/2 stream, flow control, and the end.
 *
 * Received bytes wait in `in` until whole messages can be delivered. While the user is paused the stream's window is not given back, so
 * that no more than the window gathers. Messages to send wait, framed, in `queue` until nghttp2 asks for them. */
#include "rpc/internal.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>

struct rpc_call *call_new(struct rpc_conn *conn, int32_t stream)
{
	struct rpc_call *call = xcalloc(1, sizeof(*call));

	call->conn = conn;
	call->stream = stream;
	call->max_message = RPC_MAX_MESSAGE;
	call->next = conn->calls;
	conn->calls = call;
	return call;
}

static void free_timer(uv_handle_t *timer)
{
	free(timer);
}

void call_free(struct rpc_call *call)
{
	struct rpc_call **link = &call->conn->calls;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	if (call->timer)
		uv_close((uv_handle_t *)call->timer, free_timer);
	buffer_release(&call->in);
	buffer_release(&call->queue);
	free(call);
}

/* ---- coming in ---- */

static void give_window(struct rpc_call *call, size_t size)
{
	if (!call->closed && size)
		nghttp2_session_consume_stream(call->conn->session, call->stream, size);
}

void call_open_window(struct rpc_call *call)
{
	if (!call->small && !call->closed)
		nghttp2_session_set_local_window_size(call->conn->session, NGHTTP2_FLAG_NONE, call->stream,
						      STREAM_WINDOW);
}

void call_receive(struct rpc_call *call, const uint8_t *data, size_t size)
{
	if (call->closed)
		return;
	if (call->deaf) {
		give_window(call, size);
		return;
	}
	buffer_append(&call->in, data, size);
	if (call->paused)
		call->held_back += size;
	else
		give_window(call, size);
}

/* 1 with a whole message at the front of `in`, 0 when more must come, -errno after the call was aborted. */
static int next_message(struct rpc_call *call, size_t *ret_size)
{
	uint32_t size;

	if (buffer_size(&call->in) < FRAME_HEAD)
		return 0;
	if (buffer_bytes(&call->in)[0]) {
		call_abort(call, COR_UNSUPPORTED, EPROTO, "compressed messages are not supported");
		return -EPROTO;
	}
	memcpy(&size, buffer_bytes(&call->in) + 1, sizeof(size));
	size = ntohl(size);
	if (size > call->max_message) {
		call_abort(call, COR_EXHAUSTED, EMSGSIZE, "the message is larger than this call takes");
		return -EMSGSIZE;
	}
	*ret_size = size;
	return buffer_size(&call->in) - FRAME_HEAD >= size;
}

static void deliver_messages(struct rpc_call *call)
{
	size_t size;

	while (!call->paused && !call->deaf && next_message(call, &size) > 0) {
		/* The user may look at the bytes as long as the callback lasts; nothing is received meanwhile. */
		if (call->events.on_message)
			call->events.on_message(call, buffer_bytes(&call->in) + FRAME_HEAD, size, call->user);
		buffer_consume(&call->in, MIN(FRAME_HEAD + size, buffer_size(&call->in)));
	}
	/* Of hundreds of calls most are idle. */
	if (call->small && !buffer_size(&call->in))
		buffer_release(&call->in);
}

static void tell_end(struct rpc_call *call)
{
	struct rpc_call_events events = call->events;

	call->events = (struct rpc_call_events){0};
	if (events.on_end)
		events.on_end(call, &call->status, call->user);
	call_free(call);
}

void call_deliver(struct rpc_call *call)
{
	if (call->conn->server && !call->opened && !call->closed)
		return;
	deliver_messages(call);
	if (call->input_ended && !call->told_input_ended && !call->paused && !call->deaf) {
		call->told_input_ended = true;
		if (buffer_size(&call->in) && !call->closed)
			call_abort(call, COR_CORRUPT, EPROTO, "the stream ended in the middle of a message");
		else if (call->events.on_half_close)
			call->events.on_half_close(call, call->user);
	}
	if (call->full && buffer_size(&call->queue) <= (call->small ? RPC_SMALL / 4 : RPC_LOW_WATER) &&
	    !call->closed) {
		call->full = false;
		if (call->events.on_writable)
			call->events.on_writable(call, call->user);
	}
	if (call->closed && (!call->paused || call->deaf))
		tell_end(call);
}

void rpc_call_pause(struct rpc_call *call)
{
	call->paused = true;
}

void rpc_call_resume(struct rpc_call *call)
{
	if (!call->paused)
		return;
	call->paused = false;
	give_window(call, call->held_back);
	call->held_back = 0;
	conn_schedule(call->conn);
}

void rpc_call_listen(struct rpc_call *call, const struct rpc_call_events *events, void *user)
{
	call->events = *events;
	call->user = user;
	conn_schedule(call->conn);
}

/* ---- going out ---- */

static int submit_trailers(struct rpc_call *call)
{
	char code[16], word[32], message[3 * sizeof(call->status.msg)];
	nghttp2_nv trailers[3];

	snprintf(code, sizeof(code), "%d", (int)status_to_grpc(call->status.status));
	status_encode_message(call->status.msg, message, sizeof(message));
	trailers[0] = (nghttp2_nv)HTTP2_FIELD("grpc-status", code);
	trailers[1] = (nghttp2_nv)HTTP2_FIELD("coracle-status", status_to_word(call->status.status, word));
	trailers[2] = (nghttp2_nv)HTTP2_FIELD("grpc-message", message);
	return nghttp2_submit_trailer(call->conn->session, call->stream, trailers,
				      call->status.status == COR_OK ? 1 : ARRAY_SIZE(trailers));
}

ssize_t call_read_queue(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length,
			uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct rpc_call *call = nghttp2_session_get_stream_user_data(session, stream);
	size_t size;

	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	size = MIN(length, buffer_size(&call->queue));
	if (!size && !call->half_closed) {
		call->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (call->half_closed && size == buffer_size(&call->queue)) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (call->conn->server) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			if (submit_trailers(call))
				return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
		}
	}
	return (ssize_t)size;
}

static void wake_stream(struct rpc_call *call)
{
	if (call->conn->server && !call->submitted) {
		nghttp2_nv headers[] = {HTTP2_FIELD(":status", "200"),
					HTTP2_FIELD("content-type", "application/grpc")};
		nghttp2_data_provider provider = {.read_callback = call_read_queue};

		call->submitted = true;
		nghttp2_submit_response(call->conn->session, call->stream, headers, ARRAY_SIZE(headers),
					&provider);
	} else if (call->deferred) {
		call->deferred = false;
		nghttp2_session_resume_data(call->conn->session, call->stream);
	}
	conn_schedule(call->conn);
}

/* Room for size more bytes. Before the first ones it leaves some for the head of the DATA frame that will carry them (see on_send_data). */
static uint8_t *queue_room(struct buffer *queue, size_t size)
{
	if (!buffer_size(queue)) {
		buffer_reserve(queue, HTTP2_HEAD + size);
		queue->start = queue->end = HTTP2_HEAD;
	}
	return buffer_reserve(queue, size);
}

uint8_t *rpc_call_room(struct rpc_call *call, size_t head_size, size_t size)
{
	return queue_room(&call->queue, FRAME_HEAD + head_size + size) + FRAME_HEAD + head_size;
}

int rpc_call_send_parts(struct rpc_call *call, const void *head, size_t head_size, const void *body,
			size_t body_size)
{
	uint8_t *frame;
	uint32_t size;

	if (call->closed || call->half_closed)
		return -EPIPE;
	if (head_size > UINT32_MAX || body_size > UINT32_MAX - head_size)
		return -EMSGSIZE;
	size = htonl((uint32_t)(head_size + body_size));
	frame = queue_room(&call->queue, FRAME_HEAD + head_size + body_size);
	/* The body first: it may lie where rpc_call_room said. */
	if (body_size)
		memmove(frame + FRAME_HEAD + head_size, body, body_size);
	if (head_size)
		memcpy(frame + FRAME_HEAD, head, head_size);
	frame[0] = 0;
	memcpy(frame + 1, &size, sizeof(size));
	buffer_commit(&call->queue, FRAME_HEAD + head_size + body_size);
	if (rpc_call_full(call))
		call->full = true;
	wake_stream(call);
	return 0;
}

int rpc_call_send(struct rpc_call *call, const void *data, size_t size)
{
	return rpc_call_send_parts(call, NULL, 0, data, size);
}

int rpc_call_send_message(struct rpc_call *call, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	_free_ uint8_t *packed = xmalloc(size);

	protobuf_c_message_pack(message, packed);
	return rpc_call_send(call, packed, size);
}

size_t rpc_call_queued(const struct rpc_call *call)
{
	return buffer_size(&call->queue);
}

bool rpc_call_full(const struct rpc_call *call)
{
	return buffer_size(&call->queue) > (call->small ? RPC_SMALL : RPC_HIGH_WATER);
}

void rpc_call_half_close(struct rpc_call *call)
{
	if (call->closed || call->half_closed)
		return;
	call->half_closed = true;
	wake_stream(call);
}

void call_stop_sending(struct rpc_call *call)
{
	buffer_clear(&call->queue);
	rpc_call_half_close(call);
}

/* What came and still comes is thrown away; the sender gets its window back, so that it can go on to its end. */
static void stop_listening(struct rpc_call *call)
{
	call->deaf = true;
	buffer_clear(&call->in);
	give_window(call, call->held_back);
	call->held_back = 0;
}

void rpc_call_finish(struct rpc_call *call, const struct cor_error *status)
{
	if (call->closed || call->half_closed)
		return;
	call->status = status ? *status : (struct cor_error){0};
	call->has_status = true;
	stop_listening(call);
	rpc_call_half_close(call);
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *message)
{
	rpc_call_send_message(call, message);
	rpc_call_finish(call, NULL);
}

/* ---- the end ---- */

void call_stream_closed(struct rpc_call *call, const struct cor_error *reason)
{
	if (call->closed)
		return;
	call->closed = true;
	/* A peer that broke off has not said that this was all: no half-close is heard. */
	if (!reason)
		call->input_ended = true;
	/* Whole messages that came before a failure are delivered, but not kept for a user who has paused. */
	if (call->paused && (reason || call->conn->server))
		call->deaf = true;
	if (reason) {
		call->status = *reason;
	} else if (call->conn->server) {
		/* The answer is out; how the handler ended the call is its own business. */
		call->status = (struct cor_error){0};
	} else {
		call->status.status =
			status_from_wire(call->wire_code, call->wire_word[0] ? call->wire_word : NULL);
		call->status.err = call->status.status == COR_OK ? 0 : EREMOTEIO;
		if (call->status.status != COR_OK && !call->status.msg[0])
			snprintf(call->status.msg, sizeof(call->status.msg), "%s",
				 cor_status_name(call->status.status));
	}
	conn_schedule(call->conn);
}

void call_abort(struct rpc_call *call, enum cor_status status, int err, const char *text)
{
	struct cor_error reason;

	if (call->closed)
		return;
	cor_fail(&reason, status, err, "%s", text);
	if (call->conn->server && !call->half_closed) {
		/* The client is told why. */
		rpc_call_finish(call, &reason);
		return;
	}
	stop_listening(call);
	nghttp2_session_set_stream_user_data(call->conn->session, call->stream, NULL);
	nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
	call_stream_closed(call, &reason);
}

void rpc_call_cancel(struct rpc_call *call)
{
	call_abort(call, COR_CANCELLED, ECANCELED, "cancelled");
}
