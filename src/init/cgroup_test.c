/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a control group: a folder with files as the kernel writes them. */
#include "init/cgroup.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

struct group {
	char path[32];
	int fd;
};

static int make_group(void **state)
{
	struct group *group = xcalloc(1, sizeof(*group));

	strcpy(group->path, "/tmp/cgroup-test.XXXXXX");
	if (!mkdtemp(group->path))
		return -1;
	group->fd = open(group->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = group;
	return 0;
}

static int remove_group(void **state)
{
	struct group *group = *state;

	close(group->fd);
	tree_remove(AT_FDCWD, group->path);
	free(group);
	return 0;
}

static void put(const struct group *group, const char *file, const char *text)
{
	assert_int_equal(file_write_atomic(group->fd, file, text, strlen(text), 0644), 0);
}

static void test_numbers(void **state)
{
	struct group *group = *state;

	put(group, "memory.current", "123456\n");
	put(group, "memory.max", "max\n");
	put(group, "empty", "");
	assert_int_equal(cgroup_number(group->fd, "memory.current"), 123456);
	assert_true(cgroup_number(group->fd, "memory.max") == UINT64_MAX);
	assert_int_equal(cgroup_number(group->fd, "empty"), 0);
	assert_int_equal(cgroup_number(group->fd, "missing"), 0);
}

static void test_keys(void **state)
{
	struct group *group = *state;

	put(group, "cpu.stat", "usage_usec 77\nuser_usec 44\nsystem_usec 33\nuser 5");
	assert_int_equal(cgroup_keyed(group->fd, "cpu.stat", "usage_usec"), 77);
	assert_int_equal(cgroup_keyed(group->fd, "cpu.stat", "user"), 5);
	assert_int_equal(cgroup_keyed(group->fd, "cpu.stat", "usage"), 0);
	assert_int_equal(cgroup_keyed(group->fd, "missing", "x"), 0);
}

static void test_io(void **state)
{
	struct group *group = *state;
	uint64_t in, out;

	cgroup_io(group->fd, &in, &out);
	assert_int_equal(in + out, 0);
	put(group, "io.stat",
	    "254:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=5 dios=6\n254:16 \n253:0 rbytes=1000 wbytes=7 "
	    "rios=1 wios=1\n");
	cgroup_io(group->fd, &in, &out);
	assert_int_equal(in, 1100);
	assert_int_equal(out, 27);
}

static void test_processes(void **state)
{
	struct group *group = *state;
	_fd_ int below = -1;
	pid_t *pids = NULL;
	size_t count;

	put(group, "cgroup.procs", "12\n0\n34\n");
	assert_int_equal(mkdirat(group->fd, "below", 0755), 0);
	below = openat(group->fd, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_write_atomic(below, "cgroup.procs", "56\n", 3, 0644), 0);
	assert_int_equal(cgroup_processes(group->fd, &pids, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(pids[0], 12);
	assert_int_equal(pids[1], 34);
	assert_int_equal(pids[2], 56);
	free(pids);
}

static void test_kill(void **state)
{
	struct group *group = *state;
	_free_ char *text = NULL;

	assert_true(cgroup_kill(group->fd) < 0);
	put(group, "cgroup.kill", "");
	assert_int_equal(cgroup_kill(group->fd), 0);
	assert_int_equal(file_read(group->fd, "cgroup.kill", 16, &text, NULL), 0);
	assert_string_equal(text, "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_numbers, make_group, remove_group),
		cmocka_unit_test_setup_teardown(test_keys, make_group, remove_group),
		cmocka_unit_test_setup_teardown(test_io, make_group, remove_group),
		cmocka_unit_test_setup_teardown(test_processes, make_group, remove_group),
		cmocka_unit_test_setup_teardown(test_kill, make_group, remove_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
