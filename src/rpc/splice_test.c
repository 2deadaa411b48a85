/* SPDX-License-Identifier: Apache-2.0 */
/* Two sockets joined by a call: what a program at either end sees. */
#include "rpc/splice.h"

#include "base/file.h"
#include "base/str.h"
#include "base/unix_socket.h"
#include "rpc/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PATH   "/test.Test/Splice"
#define MEDIUM (1u << 20)

struct fixture {
	uv_loop_t loop;
	struct rpc_conn *client, *server;
	struct rpc_call *call, *server_call;
	int here, there; /* the ends of two socket pairs, whose others are spliced */
	int server_fd;
	struct rpc_splice *client_splice;
	unsigned done;
};

static void on_done(void *user)
{
	((struct fixture *)user)->done++;
}

static int stream(void *service, struct rpc_call *call, struct cor_error *err)
{
	struct fixture *f = service;

	f->server_call = call;
	rpc_splice_new(call, f->server_fd, on_done, f);
	return 0;
}

static const struct rpc_method methods[] = {
	{.name = "Splice", .client_streams = true, .stream = stream, .small = true}};
static struct rpc_service service = {.name = "test.Test", .methods = methods, .method_count = 1};
static const struct rpc_server_options options = {.services = &service, .service_count = 1};

static void pair(int *ours, int *theirs)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*ours = fds[0];
	*theirs = fds[1];
	fd_set_nonblocking(*ours, true);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int ends[2];

	*state = f;
	f->here = -1;
	service.context = f;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	pair(&ends[0], &ends[1]);
	assert_int_equal(rpc_serve(&f->loop, ends[0], &options, &f->server, NULL), 0);
	assert_int_equal(rpc_connect(&f->loop, ends[1], NULL, &f->client, NULL), 0);
	pair(&f->there, &f->server_fd);
	return 0;
}

/* Joins the client's end too. */
static void join(struct fixture *f)
{
	static const struct rpc_call_events none = {0};
	static const struct rpc_call_options small = {.small = true};
	int fd;

	pair(&f->here, &fd);
	assert_int_equal(rpc_call_begin(f->client, PATH, &small, &none, NULL, &f->call, NULL), 0);
	f->client_splice = rpc_splice_new(f->call, fd, on_done, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->here);
	close_fd(&f->there);
	rpc_conn_free(f->client);
	rpc_conn_free(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

/* Reads so many bytes, or to the end (0); how many came. */
static size_t take(struct fixture *f, int fd, size_t size)
{
	static char data[65536];
	size_t total = 0;

	while (!size || total < size) {
		ssize_t n = recv(fd, data, size ? MIN(sizeof(data), size - total) : sizeof(data), 0);

		if (n == 0)
			break;
		if (n > 0)
			total += (size_t)n;
		else
			uv_run(&f->loop, UV_RUN_ONCE);
	}
	return total;
}

static void put(struct fixture *f, int fd, size_t size)
{
	static const char data[65536];

	while (size) {
		ssize_t n = send(fd, data, MIN(size, sizeof(data)), MSG_NOSIGNAL);

		if (n > 0)
			size -= (size_t)n;
		else
			uv_run(&f->loop, UV_RUN_ONCE);
	}
}

static void until_done(struct fixture *f)
{
	while (f->done < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
}

/* Both ways, and each half ends by itself. */
static void test_halves(void **state)
{
	struct fixture *f = *state;

	join(f);
	put(f, f->here, 5);
	assert_int_equal(take(f, f->there, 5), 5);
	shutdown(f->here, SHUT_WR);
	assert_int_equal(take(f, f->there, 0), 0);
	put(f, f->there, 70000);
	assert_int_equal(take(f, f->here, 70000), 70000);
	shutdown(f->there, SHUT_WR);
	assert_int_equal(take(f, f->here, 0), 0);
	until_done(f);
}

static void test_halves_the_other_way_round(void **state)
{
	struct fixture *f = *state;

	join(f);
	put(f, f->there, 5);
	shutdown(f->there, SHUT_WR);
	assert_int_equal(take(f, f->here, 0), 5);
	put(f, f->here, 200000);
	shutdown(f->here, SHUT_WR);
	assert_int_equal(take(f, f->there, 0), 200000);
	until_done(f);
}

/* What was written before is read, and nobody keeps a connection to one who is gone. */
static void test_the_client_closes(void **state)
{
	struct fixture *f = *state;

	join(f);
	put(f, f->here, 100000);
	close_fd(&f->here);
	assert_int_equal(take(f, f->there, 0), 100000);
	until_done(f);
	assert_int_equal(send(f->there, "x", 1, MSG_NOSIGNAL), -1);
}

static void test_the_server_closes(void **state)
{
	struct fixture *f = *state;

	join(f);
	put(f, f->there, 100000);
	close_fd(&f->there);
	assert_int_equal(take(f, f->here, 0), 100000);
	until_done(f);
	assert_int_equal(send(f->here, "x", 1, MSG_NOSIGNAL), -1);
}

/* One who leaves without having read takes nothing of what he wrote with him. */
static void test_closed_with_unread_data(void **state)
{
	struct fixture *f = *state;

	join(f);
	put(f, f->there, 1000);
	assert_int_equal(take(f, f->here, 1), 1);
	put(f, f->here, 5000);
	close_fd(&f->here);
	assert_int_equal(take(f, f->there, 0), 5000);
	until_done(f);
}

/* A reader that stops stops its writer, long before a megabyte lies about. */
static void test_a_reader_that_stops(void **state)
{
	static const char data[4096];
	struct fixture *f = *state;
	size_t sent = 0;

	join(f);
	for (int idle = 0; idle < 100;) {
		ssize_t n = send(f->here, data, sizeof(data), MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		uv_run(&f->loop, UV_RUN_NOWAIT);
		assert_true(sent < 2 * MEDIUM);
	}
	/* The other direction goes on. */
	put(f, f->there, 300000);
	assert_int_equal(take(f, f->here, 300000), 300000);
	close_fd(&f->here);
	assert_int_equal(take(f, f->there, 0), sent);
	until_done(f);
}

static void test_cut(void **state)
{
	struct fixture *f = *state;

	join(f);
	put(f, f->here, 10);
	assert_int_equal(take(f, f->there, 10), 10);
	rpc_splice_cut(f->client_splice);
	assert_int_equal(take(f, f->there, 0), 0);
	until_done(f);
}

static void on_call_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	((struct fixture *)user)->call = NULL;
}

/* A client that is no splice: what it may send, and what it may not. */
static void test_messages(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *seen;
	} cases[] = {
		{"\x12\x02hi", 4, "hi"},
		{"\x1a\x00", 2, ""},         /* the end */
		{"\x1a\x02\x08\x01", 4, ""}, /* the end of all */
		{"\x1a\x03xyz", 5, ""},      /* an end of another kind is an end */
		{"\x0a\x00", 2, ""},         /* another field: broken off */
		{"\x12\x05hi", 4, ""},       /* a lie */
		{"", 0, ""},
	};
	static const struct rpc_call_events events = {.on_end = on_call_end};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char data[16] = "";

		if (i) {
			close_fd(&f->there);
			pair(&f->there, &f->server_fd);
		}
		assert_int_equal(rpc_call_begin(f->client, PATH, NULL, &events, f, &f->call, NULL), 0);
		rpc_call_send(f->call, cases[i].bytes, cases[i].size);
		if (i == 0)
			rpc_call_half_close(f->call);
		while (recv(f->there, data, sizeof(data), MSG_PEEK) < 0)
			uv_run(&f->loop, UV_RUN_ONCE);
		assert_string_equal(data, cases[i].seen);
		if (f->call)
			rpc_call_cancel(f->call);
		while (f->done <= i) {
			shutdown(f->there, SHUT_RDWR);
			uv_run(&f->loop, UV_RUN_ONCE);
		}
	}
}

/* ---- dialling ---- */

struct dialling {
	int fd;
	bool done;
};

static void on_dialled(int fd, void *user)
{
	*(struct dialling *)user = (struct dialling){.fd = fd, .done = true};
}

static void test_dial(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/coracle-dial-XXXXXX";
	struct dialling dialling = {0};
	_fd_ int dir = -1, listener = -1, first = -1, second = -1;

	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(unix_listen_at(dir, "s", 1, &listener), 0);
	first = openat(dir, "s", O_PATH | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		int fd;

		assert_int_equal(unix_connect(first, &fd), 0);
		close(fd);
	}
	/* There is no room; then there is. */
	rpc_dial_new(&f->loop, openat(dir, "s", O_PATH | O_CLOEXEC), 60000, on_dialled, &dialling);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_false(dialling.done);
	close(accept(listener, NULL, NULL));
	while (!dialling.done)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(dialling.fd >= 0);
	close(dialling.fd);
	/* There is none in time. */
	dialling.done = false;
	assert_int_equal(unix_connect(first, &second), -EAGAIN);
	rpc_dial_new(&f->loop, openat(dir, "s", O_PATH | O_CLOEXEC), 1, on_dialled, &dialling);
	while (!dialling.done)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(dialling.fd, -ETIMEDOUT);
	/* Whoever gives up is not told. */
	dialling.done = false;
	rpc_dial_free(rpc_dial_new(&f->loop, openat(dir, "s", O_PATH | O_CLOEXEC), 1, on_dialled, &dialling));
	/* Nobody is there. */
	close_fd(&listener);
	rpc_dial_new(&f->loop, openat(dir, "s", O_PATH | O_CLOEXEC), 60000, on_dialled, &dialling);
	while (!dialling.done)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(dialling.fd, -ECONNREFUSED);
	unlinkat(dir, "s", 0);
	rmdir(path);
	close_fd(&f->server_fd);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_halves),
		TEST(test_halves_the_other_way_round),
		TEST(test_the_client_closes),
		TEST(test_the_server_closes),
		TEST(test_closed_with_unread_data),
		TEST(test_a_reader_that_stops),
		TEST(test_cut),
		TEST(test_messages),
		TEST(test_dial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
