/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a connection in one loop. */
#include "rpc/rpc.h"

#include "agent.pb-c.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

#define SERVICE "/coracle.agent.v1.Agent/"

struct fixture {
	uv_loop_t loop;
	struct rpc_conn *client, *server;
	/* What the streaming method does and saw. */
	bool hold; /* the server does not read */
	bool finish_at_once;
	struct rpc_conn *then; /* the client's next call goes here when its call ends */
	bool free_at_end;      /* the client frees its connection when its call ends */
	size_t produce;        /* bytes that the server sends when it is asked */
	size_t received, messages;
	struct rpc_call *server_call;
	struct cor_error server_end, client_end;
	bool server_ended, client_ended;
	size_t client_received;
	int client_ends;
	struct rpc_conn *relay_to;
	uint64_t relay_timeout_ms;
};

static int hello(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	const Coracle__Agent__V1__HelloRequest *q = (const Coracle__Agent__V1__HelloRequest *)request;
	Coracle__Agent__V1__HelloResponse response = CORACLE__AGENT__V1__HELLO_RESPONSE__INIT;

	if (q->protocol == 0)
		return cor_fail(err, COR_NO_EXECUTABLE, ENOENT, "protocol 0: 'caf\xc3\xa9' 100 %%");
	response.protocol = q->protocol;
	response.version = q->client;
	rpc_call_reply(call, &response.base);
	return 0;
}

static int never(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	return 0;
}

static void produce(struct rpc_call *call, void *user)
{
	struct fixture *f = user;
	static const char block[8192];

	while (f->produce && rpc_call_queued(call) < RPC_HIGH_WATER + sizeof(block)) {
		size_t n = MIN(f->produce, sizeof(block));

		rpc_call_send(call, block, n);
		f->produce -= n;
	}
	if (!f->produce)
		rpc_call_finish(call, NULL);
}

static void server_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct fixture *f = user;

	f->received += size;
	f->messages++;
	if (f->finish_at_once)
		rpc_call_finish(call, NULL);
}

static void server_half_close(struct rpc_call *call, void *user)
{
	produce(call, user);
}

static void server_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct fixture *f = user;

	f->server_end = *status;
	f->server_ended = true;
	f->server_call = NULL;
}

static int stream(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {
		.on_message = server_message,
		.on_half_close = server_half_close,
		.on_writable = produce,
		.on_end = server_end,
	};
	struct fixture *f = service;

	f->server_call = call;
	rpc_call_listen(call, &events, f);
	if (f->hold)
		rpc_call_pause(call);
	return 0;
}

static const struct rpc_method methods[] = {
	{.name = "Hello",
	 .request = &coracle__agent__v1__hello_request__descriptor,
	 .response = &coracle__agent__v1__hello_response__descriptor,
	 .max_request = 100,
	 .unary = hello},
	{.name = "Sync",
	 .request = &coracle__agent__v1__empty__descriptor,
	 .response = &coracle__agent__v1__empty__descriptor,
	 .unary = never},
	{.name = "AttachProcess", .client_streams = true, .max_request = 64 << 10, .stream = stream},
};

static int relay_unknown(void *context, struct rpc_call *call, const char *path, struct cor_error *err)
{
	return rpc_relay(call, ((struct fixture *)context)->relay_to, path,
			 ((struct fixture *)context)->relay_timeout_ms, err);
}

static struct rpc_service service = {
	.name = "coracle.agent.v1.Agent",
	.methods = methods,
	.method_count = ARRAY_SIZE(methods),
};
static struct rpc_server_options server_options = {.services = &service, .service_count = 1};
static struct rpc_server_options relay_options = {.unknown = relay_unknown};

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int fds[2];

	service.context = f;
	uv_loop_init(&f->loop);
	pair(fds);
	assert_int_equal(rpc_serve(&f->loop, fds[0], &server_options, &f->server, NULL), 0);
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

static int call_hello(struct rpc_conn *conn, uint32_t protocol, const char *text, struct cor_error *err)
{
	Coracle__Agent__V1__HelloRequest request = CORACLE__AGENT__V1__HELLO_REQUEST__INIT;
	ProtobufCMessage *response = NULL;
	int r;

	request.protocol = protocol;
	request.client = (char *)(uintptr_t)text;
	r = rpc_call_sync(conn, SERVICE "Hello", &request.base,
			  &coracle__agent__v1__hello_response__descriptor, 10000, &response, err);
	if (r < 0)
		return r;
	assert_string_equal(((Coracle__Agent__V1__HelloResponse *)response)->version, text);
	protobuf_c_message_free_unpacked(response, NULL);
	return 0;
}

static void test_unary(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};

	for (int i = 0; i < 1000; i++)
		assert_int_equal(call_hello(f->client, 1, "me", &err), 0);
}

static void test_errors_keep_status_and_text(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};

	assert_true(call_hello(f->client, 0, "me", &err) < 0);
	assert_int_equal(err.status, COR_NO_EXECUTABLE);
	assert_string_equal(err.msg, "protocol 0: 'caf\xc3\xa9' 100 %");
}

static void test_a_message_over_the_limit(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(call_hello(f->client, 1, text, &err) < 0);
	assert_int_equal(err.status, COR_EXHAUSTED);
	assert_int_equal(call_hello(f->client, 1, "still works", &err), 0);
}

static void test_unknown_method(void **state)
{
	struct fixture *f = *state;
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;
	ProtobufCMessage *response;
	struct cor_error err = {0};

	assert_true(rpc_call_sync(f->client, SERVICE "Nonsense", &empty.base,
				  &coracle__agent__v1__empty__descriptor, 10000, &response, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
}

static void test_deadline(void **state)
{
	struct fixture *f = *state;
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;
	ProtobufCMessage *response;
	struct cor_error err = {0};

	assert_true(rpc_call_sync(f->client, SERVICE "Sync", &empty.base,
				  &coracle__agent__v1__empty__descriptor, 20, &response, &err) < 0);
	assert_int_equal(err.status, COR_TIMEOUT);
	assert_int_equal(call_hello(f->client, 1, "still works", &err), 0);
}

static void client_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	((struct fixture *)user)->client_received += size;
}

static struct rpc_call *begin(struct fixture *f, struct rpc_conn *conn);

static void client_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct fixture *f = user;
	struct rpc_conn *then = f->then;

	f->client_end = *status;
	f->client_ended = true;
	f->client_ends++;
	f->then = NULL;
	if (then)
		rpc_call_send(begin(f, then), "abc", 3);
	if (f->free_at_end) {
		rpc_conn_free(f->client);
		f->client = NULL;
	}
}

static struct rpc_call *begin(struct fixture *f, struct rpc_conn *conn)
{
	static const struct rpc_call_events events = {.on_message = client_message, .on_end = client_end};
	struct rpc_call *call;

	assert_int_equal(rpc_call_begin(conn, SERVICE "AttachProcess", NULL, &events, f, &call, NULL), 0);
	return call;
}

static void run_until(struct fixture *f, const bool *flag)
{
	while (!*flag)
		assert_true(uv_run(&f->loop, UV_RUN_ONCE) || *flag);
}

/* Lets everything happen that can happen without more input. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 200; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_a_big_stream(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call = begin(f, f->client);

	f->produce = 50000000;
	rpc_call_half_close(call);
	run_until(f, &f->client_ended);
	assert_int_equal(f->client_end.status, COR_OK);
	assert_int_equal(f->client_received, 50000000);
	assert_true(f->server_ended);
	assert_int_equal(f->server_end.status, COR_OK);
}

static void test_a_reader_that_stops(void **state)
{
	struct fixture *f = *state;
	static const char block[60000];
	struct rpc_call *call;
	size_t sent = 0;

	f->hold = true;
	call = begin(f, f->client);
	for (int i = 0; i < 100; i++) {
		while (rpc_call_queued(call) < RPC_HIGH_WATER) {
			assert_int_equal(rpc_call_send(call, block, sizeof(block)), 0);
			sent += sizeof(block);
		}
		settle(f);
	}
	/* The window and the queue are full, and nothing came through. */
	assert_true(sent < RPC_HIGH_WATER + (2u << 20));
	assert_int_equal(f->received, 0);
	/* Other calls of the connection are not held up. */
	assert_int_equal(call_hello(f->client, 1, "beside", NULL), 0);
	rpc_call_resume(f->server_call);
	rpc_call_half_close(call);
	run_until(f, &f->client_ended);
	assert_int_equal(f->received, sent);
	assert_int_equal(f->client_end.status, COR_OK);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call = begin(f, f->client);

	settle(f);
	rpc_call_cancel(call);
	run_until(f, &f->client_ended);
	run_until(f, &f->server_ended);
	assert_int_equal(f->client_end.status, COR_CANCELLED);
	assert_int_equal(f->server_end.status, COR_CANCELLED);
}

static void test_a_broken_connection_ends_its_calls(void **state)
{
	struct fixture *f = *state;

	begin(f, f->client);
	settle(f);
	rpc_conn_free(f->server);
	f->server = NULL;
	assert_int_equal(f->server_end.status, COR_UNAVAILABLE);
	run_until(f, &f->client_ended);
	assert_int_equal(f->client_end.status, COR_UNAVAILABLE);
	assert_true(call_hello(f->client, 1, "x", NULL) < 0);
}

static void test_relay(void **state)
{
	struct fixture *f = *state;
	struct rpc_conn *front, *client;
	struct cor_error err = {0};
	struct rpc_call *call;
	int fds[2];

	pair(fds);
	f->relay_to = f->client;
	relay_options.context = f;
	assert_int_equal(rpc_serve(&f->loop, fds[0], &relay_options, &front, NULL), 0);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &client, NULL), 0);
	assert_int_equal(call_hello(client, 1, "through", &err), 0);
	assert_true(call_hello(client, 0, "through", &err) < 0);
	assert_int_equal(err.status, COR_NO_EXECUTABLE);
	f->produce = 20000000;
	call = begin(f, client);
	rpc_call_send(call, "abc", 3);
	rpc_call_half_close(call);
	run_until(f, &f->client_ended);
	assert_int_equal(f->received, 3);
	assert_int_equal(f->client_received, 20000000);
	f->client_ended = f->server_ended = false;
	call = begin(f, client);
	settle(f);
	rpc_call_cancel(call);
	run_until(f, &f->server_ended);
	assert_int_equal(f->server_end.status, COR_CANCELLED);
	/* A server that does not answer; the client has no deadline of its own. */
	f->relay_timeout_ms = 20;
	f->client_ended = false;
	begin(f, client);
	run_until(f, &f->client_ended);
	assert_int_equal(f->client_end.status, COR_TIMEOUT);
	rpc_conn_free(client);
	rpc_conn_free(front);
}

static void test_noise_is_not_http(void **state)
{
	struct fixture *f = *state;
	static const char noise[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rpc_conn *server;
	int fds[2];

	pair(fds);
	assert_int_equal(rpc_serve(&f->loop, fds[0], &server_options, &server, NULL), 0);
	assert_int_equal(write(fds[1], noise, sizeof(noise) - 1), sizeof(noise) - 1);
	settle(f);
	assert_int_equal(call_hello(f->client, 1, "others live", NULL), 0);
	rpc_conn_free(server);
	close(fds[1]);
}

static void test_an_answer_ends_the_call_while_the_client_still_sends(void **state)
{
	struct fixture *f = *state;
	static const char block[60000];
	struct rpc_call *call = begin(f, f->client);

	f->finish_at_once = true;
	for (int i = 0; i < 50; i++)
		rpc_call_send(call, block, sizeof(block));
	run_until(f, &f->client_ended);
	run_until(f, &f->server_ended);
	assert_int_equal(f->client_end.status, COR_OK);
	assert_int_equal(f->server_end.status, COR_OK);
	assert_int_equal(f->messages, 1);
	assert_int_equal(call_hello(f->client, 1, "beside", NULL), 0);
}

/* After a message that is too large, what follows of it must not be taken for messages. */
static void test_the_rest_of_a_refused_message(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call = begin(f, f->client);
	uint8_t *big = xcalloc(1, 3000000);

	rpc_call_send(call, big, 3000000);
	rpc_call_send(call, "abc", 3);
	rpc_call_half_close(call);
	free(big);
	run_until(f, &f->client_ended);
	run_until(f, &f->server_ended);
	assert_int_equal(f->client_end.status, COR_EXHAUSTED);
	assert_int_equal(f->messages, 0);
}

static void test_a_paused_reader_hears_that_the_client_left(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call;

	f->hold = true;
	call = begin(f, f->client);
	rpc_call_send(call, "abc", 3);
	settle(f);
	rpc_call_cancel(call);
	run_until(f, &f->server_ended);
	assert_int_equal(f->server_end.status, COR_CANCELLED);
}

static void test_a_paused_call_can_be_finished(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	begin(f, f->client);
	settle(f);
	rpc_call_finish(f->server_call, NULL);
	run_until(f, &f->server_ended);
	run_until(f, &f->client_ended);
	assert_int_equal(f->server_end.status, COR_OK);
	assert_int_equal(f->client_end.status, COR_OK);
}

/* The connection is freed from a callback that a failed write caused; and no signal ends the program. */
static void test_freeing_when_a_write_fails(void **state)
{
	struct fixture *f = *state;
	struct rpc_conn *client = NULL;
	struct rpc_call *call;
	int fds[2];

	pair(fds);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &client, NULL), 0);
	settle(f);
	shutdown(fds[0], SHUT_RD);
	rpc_conn_free(f->client);
	f->client = client;
	f->free_at_end = true;
	begin(f, client);
	call = begin(f, client);
	rpc_call_send(call, "abc", 3);
	run_until(f, &f->client_ended);
	assert_int_equal(f->client_end.status, COR_UNAVAILABLE);
	close(fds[0]);
}

static void test_a_server_that_breaks_the_protocol(void **state)
{
	struct fixture *f = *state;
	/* SETTINGS, then DATA on stream 0, which HTTP/2 forbids. */
	static const uint8_t bytes[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
	struct rpc_conn *client = NULL;
	int fds[2];

	pair(fds);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &client, NULL), 0);
	begin(f, client);
	settle(f);
	assert_int_equal(write(fds[0], bytes, sizeof(bytes)), sizeof(bytes));
	run_until(f, &f->client_ended);
	assert_int_equal(f->client_end.status, COR_UNAVAILABLE);
	rpc_conn_free(client);
	close(fds[0]);
}

/* A call that waits for a place among the server's streams, which never comes. */
static void test_a_server_that_says_goodbye(void **state)
{
	struct fixture *f = *state;
	static const uint8_t no_streams[] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0};
	static const uint8_t goodbye[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	struct rpc_conn *client = NULL;
	int fds[2];

	pair(fds);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &client, NULL), 0);
	assert_int_equal(write(fds[0], no_streams, sizeof(no_streams)), sizeof(no_streams));
	settle(f);
	begin(f, client);
	settle(f);
	assert_false(f->client_ended);
	assert_int_equal(write(fds[0], goodbye, sizeof(goodbye)), sizeof(goodbye));
	run_until(f, &f->client_ended);
	assert_int_equal(f->client_end.status, COR_UNAVAILABLE);
	rpc_conn_free(client);
	close(fds[0]);
}

/* A call that is begun after the goodbye was read, and before anything of it could be written. */
static void test_a_call_after_a_goodbye(void **state)
{
	struct fixture *f = *state;
	static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
	static const uint8_t bytes[] = {
		0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8, /* RST_STREAM of the first call */
		0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
	struct rpc_conn *client = NULL;
	int fds[2];

	pair(fds);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &client, NULL), 0);
	assert_int_equal(write(fds[0], settings, sizeof(settings)), sizeof(settings));
	begin(f, client);
	settle(f);
	f->then = client;
	assert_int_equal(write(fds[0], bytes, sizeof(bytes)), sizeof(bytes));
	while (f->client_ends < 2)
		assert_true(uv_run(&f->loop, UV_RUN_ONCE));
	assert_int_equal(f->client_end.status, COR_UNAVAILABLE);
	rpc_conn_free(client);
	close(fds[0]);
}

/* One connection's callback calls on another: the loop must not go to sleep before that one had its turn. */
static void test_a_call_from_another_connections_callback(void **state)
{
	struct fixture *f = *state;
	struct rpc_conn *other = NULL;
	struct rpc_call *call;
	int fds[2];

	pair(fds);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &other, NULL), 0);
	call = begin(f, other);
	settle(f);
	f->then = f->client;
	f->finish_at_once = true;
	rpc_call_cancel(call);
	run_until(f, &f->server_ended);
	assert_int_equal(f->received, 3);
	rpc_conn_free(other);
	close(fds[0]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_unary),
		TEST(test_errors_keep_status_and_text),
		TEST(test_a_message_over_the_limit),
		TEST(test_unknown_method),
		TEST(test_deadline),
		TEST(test_a_big_stream),
		TEST(test_a_reader_that_stops),
		TEST(test_cancel),
		TEST(test_a_broken_connection_ends_its_calls),
		TEST(test_relay),
		TEST(test_noise_is_not_http),
		TEST(test_an_answer_ends_the_call_while_the_client_still_sends),
		TEST(test_the_rest_of_a_refused_message),
		TEST(test_a_paused_reader_hears_that_the_client_left),
		TEST(test_a_paused_call_can_be_finished),
		TEST(test_freeing_when_a_write_fails),
		TEST(test_a_server_that_breaks_the_protocol),
		TEST(test_a_server_that_says_goodbye),
		TEST(test_a_call_after_a_goodbye),
		TEST(test_a_call_from_another_connections_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
