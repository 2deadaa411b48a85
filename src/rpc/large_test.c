/* SPDX-License-Identifier: Apache-2.0 */
/* Large messages over a line that takes little at a time: bodies that lie in the queue already, and frames that are written from it. */
#include "rpc/rpc.h"

#include "agent.pb-c.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#define SERVICE "/coracle.agent.v1.Agent/"
#define LARGEST (1u << 20)
#define CALLS   3

struct fixture {
	uv_loop_t loop;
	struct rpc_conn *client, *server;
	unsigned begun, ended;    /* the client's calls */
	unsigned received[CALLS]; /* messages, by the server's calls in their order */
	struct cor_error end;
};

static const size_t sizes[] = {300000, 1, 100, 16384, 16385, LARGEST, 0, 5000, 262135, 262144, 70000};

static uint8_t byte_of(unsigned message, size_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) + message);
}

static void fill(uint8_t *data, size_t size, unsigned message)
{
	for (size_t at = 0; at < size; at++)
		data[at] = byte_of(message, at);
}

/* Every second body is made where it will be sent from, behind a head that is shorter than was said. */
static void send_numbered(struct rpc_call *call, unsigned message)
{
	size_t size = sizes[message], in_head = MIN(size, (size_t)message % 3);
	_free_ uint8_t *data = xmalloc(size + 1);

	fill(data, size, message);
	if (message % 2) {
		assert_int_equal(rpc_call_send_parts(call, data, in_head, data + in_head, size - in_head), 0);
	} else {
		uint8_t *room = rpc_call_room(call, 2, size - in_head);

		memcpy(room, data + in_head, size - in_head);
		assert_int_equal(rpc_call_send_parts(call, data, in_head, room, size - in_head), 0);
	}
}

static void server_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	unsigned *received = user;

	assert_true(*received < ARRAY_SIZE(sizes));
	assert_int_equal(size, sizes[*received]);
	for (size_t at = 0; at < size; at++)
		if (data[at] != byte_of(*received, at))
			fail_msg("message %u is wrong at %zu", *received, at);
	(*received)++;
}

static void server_half_close(struct rpc_call *call, void *user)
{
	rpc_call_finish(call, NULL);
}

static int stream(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = server_message,
						      .on_half_close = server_half_close};
	struct fixture *f = service;

	rpc_call_listen(call, &events, &f->received[f->begun++]);
	return 0;
}

static int sync_unary(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err)
{
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;

	rpc_call_reply(call, &empty.base);
	return 0;
}

static const struct rpc_method methods[] = {
	{.name = "AttachProcess", .client_streams = true, .max_request = LARGEST, .stream = stream},
	{.name = "Sync",
	 .request = &coracle__agent__v1__empty__descriptor,
	 .response = &coracle__agent__v1__empty__descriptor,
	 .unary = sync_unary},
};
static struct rpc_service service = {
	.name = "coracle.agent.v1.Agent", .methods = methods, .method_count = ARRAY_SIZE(methods)};
static const struct rpc_server_options options = {.services = &service, .service_count = 1};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int fds[2], little = 4096;

	service.context = f;
	uv_loop_init(&f->loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	assert_int_equal(rpc_serve(&f->loop, fds[0], &options, &f->server, NULL), 0);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &f->client, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rpc_conn_free(f->client);
	rpc_conn_free(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void client_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct fixture *f = user;

	f->ended++;
	f->end = *status;
}

static struct rpc_call *begin(struct fixture *f)
{
	static const struct rpc_call_events events = {.on_end = client_end};
	struct rpc_call *call;

	assert_int_equal(rpc_call_begin(f->client, SERVICE "AttachProcess", NULL, &events, f, &call, NULL),
			 0);
	return call;
}

static void send_all(struct rpc_call *call)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		send_numbered(call, i);
	rpc_call_half_close(call);
}

static void run_until_ended(struct fixture *f, unsigned calls)
{
	while (f->ended < calls)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void test_one_after_the_other(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call = begin(f);

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		send_numbered(call, i);
		while (f->received[0] <= i)
			uv_run(&f->loop, UV_RUN_ONCE);
	}
	rpc_call_half_close(call);
	run_until_ended(f, 1);
	assert_int_equal(f->end.status, COR_OK);
}

static void test_calls_beside_each_other(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < CALLS; i++)
		send_all(begin(f));
	run_until_ended(f, CALLS);
	assert_int_equal(f->end.status, COR_OK);
	for (unsigned i = 0; i < CALLS; i++)
		assert_int_equal(f->received[i], ARRAY_SIZE(sizes));
}

/* What was announced of a frame is sent to its end, so that the next call's bytes are understood. */
static void test_cancelled_in_the_middle(void **state)
{
	Coracle__Agent__V1__Empty request = CORACLE__AGENT__V1__EMPTY__INIT;
	ProtobufCMessage *response = NULL;
	struct fixture *f = *state;

	for (unsigned turns = 1; turns <= CALLS; turns++) {
		struct rpc_call *call = begin(f);

		send_numbered(call, 0);
		for (unsigned i = 0; i < turns * 3; i++)
			uv_run(&f->loop, UV_RUN_NOWAIT);
		rpc_call_cancel(call);
		run_until_ended(f, turns);
		assert_int_equal(f->end.status, COR_CANCELLED);
		assert_int_equal(rpc_call_sync(f->client, SERVICE "Sync", &request.base,
					       &coracle__agent__v1__empty__descriptor, 10000, &response,
					       NULL),
				 0);
		protobuf_c_message_free_unpacked(response, NULL);
	}
}

static void test_the_other_side_leaves_in_the_middle(void **state)
{
	struct fixture *f = *state;

	send_all(begin(f));
	for (unsigned i = 0; i < 4; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	rpc_conn_free(f->server);
	f->server = NULL;
	run_until_ended(f, 1);
	assert_int_equal(f->end.status, COR_UNAVAILABLE);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_after_the_other),
		TEST(test_calls_beside_each_other),
		TEST(test_cancelled_in_the_middle),
		TEST(test_the_other_side_leaves_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
