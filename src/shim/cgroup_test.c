/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cgroup.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_folder(const char *line, const char *expected)
{
	_free_ char *folder = cgroup_folder(line, "/nowhere");

	if (expected)
		assert_string_equal(folder, expected);
	else
		assert_null(folder);
}

static void lines_of_both_versions(void **state)
{
	assert_folder("0::/user.slice/a", "/nowhere/user.slice/a");
	assert_folder("0::/", "/nowhere/");
	assert_folder("4:memory:/a/b", "/nowhere/memory/a/b");
	assert_folder("3:cpu,cpuacct:/a", "/nowhere/cpu,cpuacct/a");
	assert_folder("9:name=systemd:/a", NULL);
	assert_folder("5:freezer:/a", NULL);
}

static void lines_that_mean_nothing_here(void **state)
{
	assert_folder("", NULL);
	assert_folder("0::", NULL);
	assert_folder("0:memory", NULL);
	assert_folder("4:memory:relative", NULL);
	assert_folder("0::/../outside", NULL);
}

static void assert_memory_file(const char *folder, const char *expected)
{
	_free_ char *path = cgroup_memory_file(folder);

	if (expected)
		assert_string_equal(strrchr(path, '/') + 1, expected);
	else
		assert_null(path);
}

static void make_file(const char *folder, const char *name)
{
	_free_ char *path = str_format("%s/%s", folder, name);

	assert_int_equal(file_write_atomic(AT_FDCWD, path, "max\n", 4, 0600), 0);
}

static void a_limit_of_either_version(void **state)
{
	char folder[] = "/tmp/coracle-cgroup-XXXXXX";
	struct cgroup cgroup = {0};
	_free_ char *text = NULL, *path = NULL;

	assert_non_null(mkdtemp(folder));
	strv_add(&cgroup.paths, folder);
	assert_memory_file(folder, NULL);
	assert_int_equal(cgroup_limit_memory(&cgroup, 1), -ENOENT);
	make_file(folder, "cgroup.procs");
	assert_memory_file(folder, NULL);
	make_file(folder, "memory.limit_in_bytes");
	assert_memory_file(folder, "memory.limit_in_bytes");
	assert_int_equal(cgroup_limit_memory(&cgroup, UINT64_C(5000000000)), 0);
	path = cgroup_memory_file(folder);
	assert_int_equal(file_read(AT_FDCWD, path, 64, &text, NULL), 0);
	assert_string_equal(text, "5000000000\n");
	make_file(folder, "memory.max");
	assert_memory_file(folder, "memory.max");
	strv_release(&cgroup.paths);
	tree_remove(AT_FDCWD, folder);
}

/* A child and a child of that, which end when the pipe does. */
static pid_t start_two(int wait_fd, int write_fd)
{
	pid_t child = fork();
	char byte;

	if (child != 0)
		return child;
	close(write_fd);
	if (fork() < 0)
		_exit(1);
	_exit((int)read(wait_fd, &byte, 1));
}

/* A fake group's file is a pipe, in which all that was written stays. */
static void what_runs_already_is_moved(void **state)
{
	char folder[] = "/tmp/coracle-cgroup-XXXXXX", text[256] = "", wanted[16];
	_free_ char *path = NULL;
	struct cgroup cgroup = {0};
	int fds[2], procs, moved = 0;
	pid_t child;

	assert_non_null(mkdtemp(folder));
	path = str_format("%s/cgroup.procs", folder);
	strv_add(&cgroup.paths, folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	procs = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(pipe(fds), 0);
	child = start_two(fds[0], fds[1]);
	assert_true(child > 0);
	/* The second may not be there yet. */
	while (moved < 2) {
		memset(text, 0, sizeof(text));
		cgroup_add_descendants(&cgroup);
		assert_true(read(procs, text, sizeof(text) - 1) > 0);
		moved = 0;
		for (const char *p = text; (p = strchr(p, '\n')); p++)
			moved++;
	}
	snprintf(wanted, sizeof(wanted), "%d\n", (int)child);
	assert_non_null(str_after(text, wanted));
	close(fds[1]);
	close(fds[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(procs);
	strv_release(&cgroup.paths);
	tree_remove(AT_FDCWD, folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_both_versions),
		cmocka_unit_test(a_limit_of_either_version),
		cmocka_unit_test(what_runs_already_is_moved),
		cmocka_unit_test(lines_that_mean_nothing_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
