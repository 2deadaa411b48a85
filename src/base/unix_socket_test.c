/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unix_socket.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
	char path[40];
	int fd;
};

static int setup(void **state)
{
	static struct folder folder;

	strcpy(folder.path, "/tmp/coracle-unix-XXXXXX");
	assert_non_null(mkdtemp(folder.path));
	folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &folder;
	return folder.fd < 0;
}

static int teardown(void **state)
{
	struct folder *folder = *state;

	unlinkat(folder->fd, "s", 0);
	close(folder->fd);
	return rmdir(folder->path);
}

static void a_socket_that_listens(void **state)
{
	struct folder *folder = *state;
	_fd_ int listener = -1, file = -1, client = -1, server = -1, other = -1;
	struct stat st;

	assert_int_equal(unix_listen_at(folder->fd, "s", 1, &listener), 0);
	assert_int_equal(fstatat(folder->fd, "s", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unix_listen_at(folder->fd, "s", 1, &other), -EADDRINUSE);
	file = openat(folder->fd, "s", O_PATH | O_CLOEXEC);
	assert_false(unix_is_dead(file));
	/* The question was not heard. */
	assert_int_equal(accept(listener, NULL, NULL), -1);
	assert_int_equal(unix_connect(file, &client), 0);
	server = accept(listener, NULL, NULL);
	assert_int_equal(write(client, "x", 1), 1);
	char c = 0;
	assert_int_equal(read(server, &c, 1), 1);
	assert_int_equal(c, 'x');
}

static void a_listener_without_room(void **state)
{
	struct folder *folder = *state;
	int clients[2] = {-1, -1};
	_fd_ int listener = -1, file = -1, other = -1;

	assert_int_equal(unix_listen_at(folder->fd, "s", 1, &listener), 0);
	file = openat(folder->fd, "s", O_PATH | O_CLOEXEC);
	assert_int_equal(unix_connect(file, &clients[0]), 0);
	assert_int_equal(unix_connect(file, &clients[1]), 0);
	assert_int_equal(unix_connect(file, &other), -EAGAIN);
	close(clients[0]);
	close(clients[1]);
}

static void a_dead_socket_and_none(void **state)
{
	static const char long_name[] =
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnnnnnnnnnnnnn";
	struct folder *folder = *state;
	_fd_ int listener = -1, file = -1, other = -1;

	assert_int_equal(unix_listen_at(folder->fd, long_name, 1, &other), -ENAMETOOLONG);
	assert_int_equal(unix_listen_at(folder->fd, "s", 1, &listener), 0);
	close_fd(&listener);
	file = openat(folder->fd, "s", O_PATH | O_CLOEXEC);
	assert_true(unix_is_dead(file));
	assert_int_equal(unix_connect(file, &other), -ECONNREFUSED);
	assert_int_equal(unix_connect(folder->fd, &other), -ENOTSOCK);
	assert_false(unix_is_dead(folder->fd));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_socket_that_listens),
		TEST(a_listener_without_room),
		TEST(a_dead_socket_and_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
