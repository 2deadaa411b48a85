/* SPDX-License-Identifier: Apache-2.0 */
/* Unary calls for a client, and decoding for everybody. */
#include "rpc/internal.h"

#include "base/str.h"

#include <errno.h>

/* A sub-message in a message is a C stack frame and a heap block in protobuf-c, and a field of two bytes makes one: a
 * message of few megabytes could ask for hundreds of megabytes. What comes from outside is capped by rpc_method.max_request and
 * rpc_call_options.max_message, and here by what a decoded message may take. */
#define DECODE_LIMIT (64u << 20)

struct budget {
	size_t left;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return malloc(size ? size : 1);
}

static void budget_free(void *data, void *pointer)
{
	free(pointer);
}

ProtobufCMessage *rpc_decode(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
			     struct cor_error *err)
{
	struct budget budget = {.left = DECODE_LIMIT};
	ProtobufCAllocator allocator = {
		.alloc = budget_alloc, .free = budget_free, .allocator_data = &budget};
	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, data);

	/* What the allocator gave is plain heap memory, so that the default one may free it. */
	if (!message)
		cor_fail(err, COR_INVALID, EBADMSG, "malformed %s", type->short_name);
	return message;
}

struct unary {
	const ProtobufCMessageDescriptor *type;
	ProtobufCMessage *response;
	struct cor_error error; /* of decoding */
	void (*done)(const ProtobufCMessage *response, const struct cor_error *status, void *user);
	void *user;
};

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct unary *unary = user;

	if (unary->response)
		cor_fail(&unary->error, COR_CORRUPT, EPROTO, "more than one answer");
	else
		unary->response = rpc_decode(unary->type, data, size, &unary->error);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct unary *unary = user;

	if (status->status == COR_OK && unary->error.status == COR_OK && !unary->response)
		cor_fail(&unary->error, COR_CORRUPT, EPROTO, "success without an answer");
	if (status->status == COR_OK && unary->error.status != COR_OK)
		status = &unary->error;
	unary->done(status->status == COR_OK ? unary->response : NULL, status, unary->user);
	if (unary->response)
		protobuf_c_message_free_unpacked(unary->response, NULL);
	free(unary);
}

int rpc_call_unary(struct rpc_conn *conn, const char *path, const ProtobufCMessage *request,
		   const ProtobufCMessageDescriptor *response_type, uint64_t timeout_ms,
		   void (*done)(const ProtobufCMessage *response, const struct cor_error *status, void *user),
		   void *user, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_message, .on_end = on_end};
	struct rpc_call_options options = {.timeout_ms = timeout_ms};
	struct unary *unary = xcalloc(1, sizeof(*unary));
	struct rpc_call *call;
	int r;

	*unary = (struct unary){.type = response_type, .done = done, .user = user};
	r = rpc_call_begin(conn, path, &options, &events, unary, &call, err);
	if (r < 0) {
		free(unary);
		return r;
	}
	rpc_call_send_message(call, request);
	rpc_call_half_close(call);
	return 0;
}

struct waiting {
	bool done;
	ProtobufCMessage *response;
	struct cor_error status;
	const ProtobufCMessageDescriptor *type;
};

static void on_sync_done(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct waiting *waiting = user;

	waiting->done = true;
	waiting->status = *status;
	if (response) {
		size_t size = protobuf_c_message_get_packed_size(response);
		_free_ uint8_t *packed = xmalloc(size);

		/* The response is borrowed: its own copy goes the only way that protobuf-c has. */
		protobuf_c_message_pack(response, packed);
		waiting->response = protobuf_c_message_unpack(waiting->type, NULL, size, packed);
	}
}

int rpc_call_sync(struct rpc_conn *conn, const char *path, const ProtobufCMessage *request,
		  const ProtobufCMessageDescriptor *response_type, uint64_t timeout_ms,
		  ProtobufCMessage **ret_response, struct cor_error *err)
{
	struct waiting waiting = {.type = response_type};
	int r = rpc_call_unary(conn, path, request, response_type, timeout_ms, on_sync_done, &waiting, err);

	if (r < 0)
		return r;
	while (!waiting.done)
		uv_run(conn->loop, UV_RUN_ONCE);
	if (waiting.status.status != COR_OK) {
		if (err)
			*err = waiting.status;
		return waiting.status.err ? -waiting.status.err : -EIO;
	}
	*ret_response = waiting.response;
	return 0;
}
