/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that say nothing, and a shim that is taken for one that runs a container. */
#include "container/guest_tree.h"

#include "base/file.h"
#include "base/unix_socket.h"
#include "container/fixture.h"
#include "container/folders.h"
#include "container/lock.h"
#include "copy/mailbox.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SILENCE_MS 300

/* ---- silence ---- */

struct silent {
	struct guest_tree tree;
	int guest; /* the other end, where nobody is */
};

static int set_up_silent(void **state)
{
	struct silent *silent = xcalloc(1, sizeof(*silent));
	struct guest_tree *tree = &silent->tree;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	silent->guest = ends[1];
	*tree = (struct guest_tree){.silence_ms = SILENCE_MS, .running = true};
	tree->record.name = xstrdup("box");
	memset(tree->record.id, 'a', ID_SIZE - 1);
	assert_int_equal(shim_client_open(tree->record.id, ends[0], &tree->client, NULL), 0);
	*state = silent;
	return 0;
}

static int tear_down_silent(void **state)
{
	struct silent *silent = *state;

	guest_tree_release(&silent->tree);
	close(silent->guest);
	free(silent);
	return 0;
}

static int no_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	return 0;
}

static void nothing_comes(void **state)
{
	struct silent *silent = *state;
	const struct guest_request request = {.path = "/", .name = ""};
	const struct copy_sink sink = {.entry = no_entry};
	struct cor_error err = {0};

	assert_int_equal(guest_tree_receive(&silent->tree, &request, &sink, &err), -ETIMEDOUT);
	assert_int_equal(err.status, COR_TIMEOUT);
	assert_non_null(strstr(err.msg, "the guest of 'box' does not answer"));
}

/* Neither while there is no room for more, nor when all is sent. */
static void nothing_is_taken(void **state)
{
	struct silent *silent = *state;
	_free_ uint8_t *piece = xcalloc(1, 1 << 18);
	struct cor_error err = {0};

	for (unsigned pieces = 0; pieces <= 64; pieces += 64) {
		_cleanup_(guest_sending_freep) struct guest_sending *sending = NULL;
		const struct copy_entry entry = {.path = "x", .mode = S_IFREG | 0644, .size = 1 << 24};
		struct copy_sink sink;
		uint64_t bytes;
		int r;

		assert_int_equal(guest_tree_send(&silent->tree, "/", false, &sending, &err), 0);
		sink = guest_sending_sink(sending);
		r = sink.entry(sink.user, &entry, &err);
		for (unsigned i = 0; r == 0 && i < pieces; i++)
			r = sink.data(sink.user, (uint64_t)i << 18, piece, 1 << 18, &err);
		assert_int_equal(r, pieces ? -ETIMEDOUT : 0);
		r = r ?: guest_sending_end(sending, &bytes, &err);
		assert_int_equal(r, -ETIMEDOUT);
		assert_int_equal(err.status, COR_TIMEOUT);
	}
}

/* The piece waits for room that does not come, from when it is there: a source that takes its time is not the guest's silence. */
static void no_room_is_given(void **state)
{
	struct silent *silent = *state;
	struct guest_mailbox *mailbox = &silent->tree.mailbox;
	_cleanup_(guest_sending_freep) struct guest_sending *sending = NULL;
	const struct copy_entry entry = {.path = "x", .mode = S_IFREG | 0644, .size = MAILBOX_SLOT};
	_free_ uint8_t *piece = xcalloc(1, MAILBOX_SLOT);
	struct copy_sink sink;
	struct cor_error err = {0};

	mailbox->fd = memfd_create("mailbox", MFD_CLOEXEC);
	assert_int_equal(ftruncate(mailbox->fd, MAILBOX_SIZE), 0);
	mailbox->bytes = mmap(NULL, MAILBOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mailbox->fd, 0);
	assert_true(mailbox->bytes != MAP_FAILED);
	assert_int_equal(guest_tree_send(&silent->tree, "/", false, &sending, &err), 0);
	mailbox->pieces = 1;
	sink = guest_sending_sink(sending);
	assert_int_equal(sink.entry(sink.user, &entry, &err), 0);
	/* Nothing was sent yet that would have set a deadline. */
	assert_int_equal(sink.data(sink.user, 0, piece, MAILBOX_SLOT, &err), -ETIMEDOUT);
	assert_int_equal(err.status, COR_TIMEOUT);
}

static void what_cannot_be_read_is_named(void **state)
{
	char path[] = "/tmp/unreadable.XXXXXX", byte;
	_fd_ int made = mkstemp(path), fd = open(path, O_WRONLY | O_CLOEXEC);
	struct cor_error err = {0};

	assert_true(made >= 0 && fd >= 0);
	assert_true(guest_mailbox_read(fd, (uint8_t *)&byte, 1, 0, &err) < 0);
	unlink(path);
	assert_non_null(strstr(err.msg, path));
}

/* ---- maintenance ---- */

struct stage {
	struct fixture fixture;
	struct cor_context *ctx;
	char id[ID_SIZE];
	int lock;
};

/* It signs only when it is spoken to, which is later than any shim does, and ends soon. */
static int play_hello(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err)
{
	const struct stage *stage = service;
	Coracle__Shim__V1__HelloResponse response = CORACLE__SHIM__V1__HELLO_RESPONSE__INIT;

	container_lock_sign(stage->lock, true);
	alarm(1);
	response.protocol = ((const Coracle__Shim__V1__HelloRequest *)request)->protocol;
	rpc_call_reply(call, &response.base);
	return 0;
}

static _Noreturn void play(struct stage *stage, int ready)
{
	struct rpc_method hello = {.name = "Hello",
				   .request = &coracle__shim__v1__hello_request__descriptor,
				   .response = &coracle__shim__v1__hello_response__descriptor,
				   .unary = play_hello};
	struct rpc_service service = {
		.name = "coracle.shim.v1.Shim", .methods = &hello, .method_count = 1, .context = stage};
	struct rpc_server_options options = {.services = &service, .service_count = 1};
	struct rpc_listener *listener;
	uv_loop_t loop;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (container_lock(&stage->fixture.roots, stage->id, &stage->lock, NULL) < 0 ||
	    unix_listen_at(container_run_dir(&stage->fixture.roots, stage->id), "shim.sock", 8, &fd) < 0)
		_exit(1);
	uv_loop_init(&loop);
	if (rpc_listen(&loop, fd, &options, &listener, NULL) < 0 || write(ready, "r", 1) != 1)
		_exit(1);
	uv_run(&loop, UV_RUN_DEFAULT);
	_exit(0);
}

static int set_up(void **state)
{
	struct stage *stage = xcalloc(1, sizeof(*stage));
	struct container_state written = {.status = COR_CREATED};
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

	cor_close(stage->ctx);
	fixture_close(&stage->fixture);
	free(stage);
	return 0;
}

/* The files are somebody else's until that one ends, and then no machine starts, since there is no shim. */
static void maintenance_is_not_running(void **state)
{
	struct stage *stage = *state;
	_guest_tree_ struct guest_tree tree = {0};
	struct cor_error err = {0};
	int ready[2], r;
	char byte;
	pid_t shim;

	assert_int_equal(setenv("CORACLE_SHIM", "/bin/false", 1), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	shim = fork();
	assert_true(shim >= 0);
	if (shim == 0)
		play(stage, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	r = guest_tree_open(stage->ctx, "box", true, &tree, &err);
	kill(shim, SIGKILL);
	waitpid(shim, NULL, 0);
	assert_true(r < 0);
	assert_false(tree.running);
	assert_int_not_equal(err.err, EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_comes, set_up_silent, tear_down_silent),
		cmocka_unit_test_setup_teardown(nothing_is_taken, set_up_silent, tear_down_silent),
		cmocka_unit_test_setup_teardown(no_room_is_given, set_up_silent, tear_down_silent),
		cmocka_unit_test(what_cannot_be_read_is_named),
		cmocka_unit_test_setup_teardown(maintenance_is_not_running, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
