/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_context_comes_first(void **state)
{
	struct cor_error err = {0};

	assert_int_equal(cor_fail(&err, COR_NOT_FOUND, ENOENT, "404 from registry"), -ENOENT);
	assert_int_equal(cor_context(&err, -ENOENT, "pull '%s'", "debian:12"), -ENOENT);
	assert_string_equal(err.msg, "pull 'debian:12': 404 from registry");
	assert_int_equal(err.status, COR_NOT_FOUND);
	assert_int_equal(err.err, ENOENT);
}

static void test_errno_chooses_the_status(void **state)
{
	struct cor_error err = {0};

	assert_int_equal(cor_fail_errno(&err, -EACCES, "open '%s'", "/x"), -EACCES);
	assert_int_equal(err.status, COR_PERMISSION);
	assert_string_equal(err.msg, "open '/x': Permission denied");
}

static void test_long_texts_are_cut(void **state)
{
	struct cor_error err = {0};
	char name[1000];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cor_fail(&err, COR_INVALID, EINVAL, "%s", name);
	cor_context(&err, 0, "%s", name);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void test_nobody_listens(void **state)
{
	assert_int_equal(cor_fail(NULL, COR_INTERNAL, 0, "x"), -EIO);
	assert_int_equal(cor_context(NULL, -5, "x"), -5);
}

static void test_exit_codes(void **state)
{
	assert_int_equal(cor_status_exit_code(COR_NOT_FOUND), 125);
	assert_int_equal(cor_status_exit_code(COR_CANNOT_EXECUTE), 126);
	assert_int_equal(cor_status_exit_code(COR_NO_EXECUTABLE), 127);
	assert_int_equal(cor_status_exit_code((enum cor_status)999), 125);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_context_comes_first), cmocka_unit_test(test_errno_chooses_the_status),
		cmocka_unit_test(test_long_texts_are_cut),  cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
