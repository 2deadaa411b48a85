/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that says anything. The first byte tells which end we are (even: server, after a right beginning; odd: client with two calls
 * under way); the rest is what the peer sends before it goes away. Whatever that is, every call ends exactly once. */
#include "rpc/rpc.h"

#include "agent.pb-c.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	unsigned begun, ended;
	bool closed;
};

static int hello(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	Coracle__Agent__V1__HelloResponse response = CORACLE__AGENT__V1__HELLO_RESPONSE__INIT;

	if (((const Coracle__Agent__V1__HelloRequest *)request)->protocol == 0)
		return cor_fail(err, COR_INVALID, EINVAL, "no protocol");
	rpc_call_reply(call, &response.base);
	return 0;
}

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__attach_process_request__descriptor, data, size, &err);

	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
	/* The user's own moves are part of what can happen. */
	switch (size % 7) {
	case 1:
		rpc_call_pause(call);
		break;
	case 2:
		rpc_call_cancel(call);
		break;
	default:
		rpc_call_send(call, data, size);
	}
}

static void on_half_close(struct rpc_call *call, void *user)
{
	rpc_call_finish(call, NULL);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	((struct peer *)user)->ended++;
}

static const struct rpc_call_events server_events = {
	.on_message = on_message, .on_half_close = on_half_close, .on_end = on_end};
static const struct rpc_call_events client_events = {.on_message = on_message, .on_end = on_end};

static int stream(void *service, struct rpc_call *call, struct cor_error *err)
{
	((struct peer *)service)->begun++;
	rpc_call_listen(call, &server_events, service);
	return 0;
}

static void on_server_close(struct rpc_conn *conn, void *context)
{
	((struct peer *)context)->closed = true;
}

static void on_client_close(struct rpc_conn *conn, const struct cor_error *reason, void *context)
{
	((struct peer *)context)->closed = true;
}

static void on_done(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	assert(!response == (status->status != COR_OK));
	((struct peer *)user)->ended++;
}

static void begin_calls(struct rpc_conn *conn, struct peer *peer)
{
	Coracle__Agent__V1__HelloRequest request = CORACLE__AGENT__V1__HELLO_REQUEST__INIT;
	struct rpc_call_options options = {.max_message = 4096};
	struct rpc_call *call;

	if (rpc_call_unary(conn, "/coracle.agent.v1.Agent/Hello", &request.base,
			   &coracle__agent__v1__hello_response__descriptor, RPC_NO_DEADLINE, on_done, peer,
			   NULL) == 0)
		peer->begun++;
	if (rpc_call_begin(conn, "/coracle.agent.v1.Agent/AttachProcess", &options, &client_events, peer,
			   &call, NULL) == 0)
		peer->begun++;
}

static void say(int fd, const void *data, size_t size)
{
	/* What does not fit into the socket's buffer is not said. */
	if (send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		assert(errno == EAGAIN || errno == EPIPE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char beginning[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	struct peer peer = {0};
	const struct rpc_method methods[] = {
		{.name = "Hello",
		 .request = &coracle__agent__v1__hello_request__descriptor,
		 .max_request = 4096,
		 .unary = hello},
		{.name = "AttachProcess", .client_streams = true, .max_request = 4096, .stream = stream},
	};
	const struct rpc_service service = {"coracle.agent.v1.Agent", methods, ARRAY_SIZE(methods), &peer};
	const struct rpc_server_options server = {
		.services = &service, .service_count = 1, .on_close = on_server_close, .context = &peer};
	const struct rpc_client_options client = {.on_close = on_client_close, .context = &peer};
	struct rpc_conn *conn = NULL;
	uv_loop_t loop;
	int fds[2], r;

	if (size < 1)
		return 0;
	uv_loop_init(&loop);
	r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
	assert(r == 0);
	if (data[0] % 2) {
		r = rpc_connect(&loop, fds[0], &client, &conn, NULL);
		begin_calls(conn, &peer);
		uv_run(&loop, UV_RUN_NOWAIT);
	} else {
		r = rpc_serve(&loop, fds[0], &server, &conn, NULL);
		say(fds[1], beginning,
		    sizeof(beginning)); /* with the string's NUL: the last byte of SETTINGS */
	}
	assert(r == 0);
	say(fds[1], data + 1, size - 1);
	shutdown(fds[1], SHUT_WR);
	for (int i = 0; i < 1000 && !peer.closed; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert(peer.closed);
	rpc_conn_free(conn);
	assert(peer.begun == peer.ended);
	close(fds[1]);
	uv_run(&loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&loop);
	assert(r == 0);
	return 0;
}
