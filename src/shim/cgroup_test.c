/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cgroup.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_both_versions),
		cmocka_unit_test(lines_that_mean_nothing_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
