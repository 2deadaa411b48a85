/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps a connection from waiting for ever, and a listener from turning round and round. */
#include "rpc/rpc.h"

#include "agent.pb-c.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#define STREAM "/coracle.agent.v1.Agent/AttachProcess"

struct fixture {
	uv_loop_t loop;
	struct cor_error end;
	bool ended;
	unsigned turns;
};

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct fixture *f = user;

	f->end = *status;
	f->ended = true;
}

static int stream(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {0};

	rpc_call_listen(call, &events, NULL);
	return 0;
}

static int unary(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;

	rpc_call_reply(call, &empty.base);
	return 0;
}

static const struct rpc_method methods[] = {
	{.name = "AttachProcess", .client_streams = true, .stream = stream},
	{.name = "Sync",
	 .request = &coracle__agent__v1__empty__descriptor,
	 .response = &coracle__agent__v1__empty__descriptor,
	 .unary = unary},
};
static const struct rpc_service service = {
	.name = "coracle.agent.v1.Agent", .methods = methods, .method_count = ARRAY_SIZE(methods)};
static const struct rpc_server_options options = {.services = &service, .service_count = 1};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	*state = f;
	return uv_loop_init(&f->loop);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void on_alarm(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Lets time pass in the loop. */
static void pass(struct fixture *f, uint64_t ms)
{
	bool over = false;
	uv_timer_t alarm_timer = {.data = &over};

	uv_timer_init(&f->loop, &alarm_timer);
	uv_update_time(&f->loop);
	uv_timer_start(&alarm_timer, on_alarm, ms, 0);
	while (!over)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&alarm_timer, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_only_the_beginning_has_a_deadline(void **state)
{
	static const struct rpc_call_events events = {.on_end = on_end};
	struct rpc_conn *client, *server;
	struct fixture *f = *state;
	struct rpc_call *call;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(rpc_serve(&f->loop, fds[0], &options, &server, NULL), 0);
	assert_int_equal(rpc_connect(&f->loop, fds[1], NULL, &client, NULL), 0);
	assert_int_equal(rpc_call_begin(client, STREAM, NULL, &events, f, &call, NULL), 0);
	rpc_call_deadline(call, 20);
	rpc_call_deadline(call, RPC_NO_DEADLINE);
	pass(f, 60);
	assert_false(f->ended);
	rpc_call_deadline(call, 1);
	while (!f->ended)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->end.status, COR_TIMEOUT);
	/* The connection goes on. */
	assert_true(rpc_conn_alive(client));
	assert_false(rpc_conn_alive(NULL));
	rpc_conn_free(client);
	rpc_conn_free(server);
}

/* ---- a listener without descriptors ---- */

static int listening(struct sockaddr_un *address, socklen_t *size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*size = sizeof(sa_family_t);
	/* A name that the kernel chooses, in no file system. */
	assert_int_equal(bind(fd, (struct sockaddr *)address, *size), 0);
	*size = sizeof(*address);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void on_turn(uv_prepare_t *prepare)
{
	((struct fixture *)prepare->data)->turns++;
}

static void set_limit(rlim_t limit, struct rlimit *old)
{
	struct rlimit now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	if (old)
		*old = now;
	now.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void test_a_listener_without_descriptors(void **state)
{
	Coracle__Agent__V1__Empty request = CORACLE__AGENT__V1__EMPTY__INIT;
	struct fixture *f = *state;
	struct rpc_listener *listener;
	struct rpc_conn *client;
	ProtobufCMessage *response;
	struct sockaddr_un address;
	uv_prepare_t prepare;
	struct rlimit old;
	socklen_t size;
	int fd;

	uv_prepare_init(&f->loop, &prepare);
	prepare.data = f;
	uv_prepare_start(&prepare, on_turn);
	uv_run(&f->loop, UV_RUN_NOWAIT); /* libuv takes what it needs itself */
	assert_int_equal(rpc_listen(&f->loop, listening(&address, &size), &options, &listener, NULL), 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	set_limit(3, &old);
	f->turns = 0;
	pass(f, 250);
	assert_true(f->turns < 50);
	set_limit(old.rlim_cur, NULL);
	/* With descriptors again, the client that waited is served. */
	assert_int_equal(rpc_connect(&f->loop, fd, NULL, &client, NULL), 0);
	assert_int_equal(rpc_call_sync(client, "/coracle.agent.v1.Agent/Sync", &request.base,
				       &coracle__agent__v1__empty__descriptor, 10000, &response, NULL),
			 0);
	protobuf_c_message_free_unpacked(response, NULL);
	rpc_conn_free(client);
	rpc_listener_free(listener);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_only_the_beginning_has_a_deadline),
		TEST(test_a_listener_without_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
