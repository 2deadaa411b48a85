/* SPDX-License-Identifier: Apache-2.0 */
/* Today's library and a shim of another build: a child process plays it, with the lock, the socket and so much of the API as it is told to know. */
#include "container/shim_client.h"

#include "base/file.h"
#include "container/fixture.h"
#include "container/folders.h"
#include "container/lock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

struct played {
	uint32_t protocol; /* the highest that it speaks */
	const char *version;
	bool stops; /* it knows Stop, which a much older one does not */
};

struct stage {
	struct fixture fixture;
	struct cor_context *ctx;
	char id[ID_SIZE];
	pid_t shim;
};

/* ---- the shim ---- */

static int play_hello(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err)
{
	const struct played *played = service;
	Coracle__Shim__V1__HelloResponse response = CORACLE__SHIM__V1__HELLO_RESPONSE__INIT;

	response.protocol =
		MIN(played->protocol, ((const Coracle__Shim__V1__HelloRequest *)request)->protocol);
	/* One that is newer may not be able to speak as we do. */
	if (played->protocol > 1)
		response.protocol = played->protocol;
	response.version = (char *)(uintptr_t)played->version;
	rpc_call_reply(call, &response.base);
	return 0;
}

static int play_stop(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err)
{
	_exit(0);
}

static int listen_in(const struct roots *roots, const char *id)
{
	_fd_ int dir = container_run_dir(roots, id);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/shim.sock", dir);
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0 ? fd : -1;
}

static _Noreturn void play(const struct stage *stage, struct played *played, int ready)
{
	struct rpc_method methods[] = {
		{.name = "Hello",
		 .request = &coracle__shim__v1__hello_request__descriptor,
		 .response = &coracle__shim__v1__hello_response__descriptor,
		 .unary = play_hello},
		{.name = "Stop",
		 .request = &coracle__shim__v1__stop_request__descriptor,
		 .response = &coracle__shim__v1__empty__descriptor,
		 .unary = play_stop},
	};
	struct rpc_service service = {.name = "coracle.shim.v1.Shim",
				      .methods = methods,
				      .method_count = played->stops ? 2 : 1,
				      .context = played};
	struct rpc_server_options options = {.services = &service, .service_count = 1};
	struct rpc_listener *listener;
	uv_loop_t loop;
	int lock, fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (container_lock(&stage->fixture.roots, stage->id, &lock, NULL) < 0)
		_exit(1);
	fd = listen_in(&stage->fixture.roots, stage->id);
	uv_loop_init(&loop);
	if (fd < 0 || rpc_listen(&loop, fd, &options, &listener, NULL) < 0 || write(ready, "r", 1) != 1)
		_exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	_exit(0);
}

static void start_shim(struct stage *stage, struct played played)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	stage->shim = fork();
	assert_true(stage->shim >= 0);
	if (stage->shim == 0)
		play(stage, &played, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* ---- a container that it holds ---- */

static int set_up(void **state)
{
	struct stage *stage = xcalloc(1, sizeof(*stage));
	struct container_state written = {.status = COR_RUNNING, .started_ns = 1};
	struct cor_options options;

	fixture_open(&stage->fixture);
	options = (struct cor_options){.data_root = stage->fixture.roots.data,
				       .run_root = stage->fixture.roots.run};
	assert_int_equal(cor_open(&options, &stage->ctx, NULL), 0);
	assert_int_equal(fixture_container(&stage->fixture.roots, "box", false, stage->id, NULL), 0);
	assert_int_equal(container_state_write(&stage->fixture.roots, stage->id, &written, NULL), 0);
	*state = stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	kill(stage->shim, SIGKILL);
	waitpid(stage->shim, NULL, 0);
	cor_close(stage->ctx);
	fixture_close(&stage->fixture);
	free(stage);
	return 0;
}

/* ---- tests ---- */

static void an_older_build_is_spoken_to(void **state)
{
	struct stage *stage = *state;
	struct cor_container_list list = {0};
	struct cor_error err = {0};

	start_shim(stage, (struct played){.protocol = 1, .version = "0.0.1", .stops = true});
	assert_int_equal(cor_container_list(stage->ctx, false, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	cor_container_list_release(&list);
	/* What it does not know is told, and nothing else suffers. */
	assert_true(cor_container_kill(stage->ctx, "box", SIGTERM, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_int_equal(cor_container_stop(stage->ctx, "box", 1, &err), 0);
}

static void one_that_speaks_otherwise_is_told_apart_and_can_be_removed(void **state)
{
	struct stage *stage = *state;
	struct cor_error err = {0};

	start_shim(stage, (struct played){.protocol = 7, .version = "9.0.0"});
	assert_true(cor_container_kill(stage->ctx, "box", SIGTERM, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "protocol 7"));
	assert_int_equal(cor_container_remove(stage->ctx, "box", true, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_older_build_is_spoken_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_speaks_otherwise_is_told_apart_and_can_be_removed,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
