/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cgroup.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_both_versions),
		cmocka_unit_test(a_limit_of_either_version),
		cmocka_unit_test(lines_that_mean_nothing_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
