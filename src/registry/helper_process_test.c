/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/helper_process.h"

#include "base/file.h"
#include "base/str.h"
#include "registry/credential_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

static char folder[] = "/tmp/helper-process-test-XXXXXX";

static int setup(void **state)
{
	_free_ char *path = NULL;

	assert_non_null(mkdtemp(folder));
	path = str_format("%s:/usr/bin:/bin", folder);
	return setenv("PATH", path, 1);
}

static int teardown(void **state)
{
	return tree_remove(AT_FDCWD, folder);
}

/* Makes a program of the script and runs it. */
static int run(const char *script, const char *input, int timeout_ms, struct helper_result *ret,
	       struct cor_error *err)
{
	_free_ char *path = str_format("%s/program", folder), *text = str_format("#!/bin/sh\n%s\n", script);

	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0700), 0);
	return helper_run("program", "verb", input, timeout_ms, ret, err);
}

static void test_input_and_output(void **state)
{
	_helper_result_ struct helper_result result = {0};

	assert_int_equal(run("echo $1 $#; cat; echo 'one\a' >&2; echo two >&2; exit 7", "in",
			     HELPER_TIMEOUT_MS, &result, NULL),
			 0);
	assert_string_equal(result.output, "verb 1\nin");
	assert_int_equal(result.size, strlen("verb 1\nin"));
	assert_string_equal(result.complaint, "one?");
	assert_int_equal(result.status, 7);
}

static void test_one_that_does_not_read(void **state)
{
	_helper_result_ struct helper_result result = {0};
	_free_ char *input = xcalloc(1 << 20, 1);

	memset(input, 'x', (1 << 20) - 1);
	assert_int_equal(run("exec true", input, HELPER_TIMEOUT_MS, &result, NULL), 0);
	assert_int_equal(result.status, 0);
}

static void test_one_that_is_killed(void **state)
{
	_helper_result_ struct helper_result result = {0};

	assert_int_equal(run("kill -9 $$", "", HELPER_TIMEOUT_MS, &result, NULL), 0);
	assert_int_equal(result.status, 128 + 9);
}

static void test_one_that_says_too_much(void **state)
{
	struct helper_result result = {0};
	struct cor_error err = {0};

	assert_int_equal(run("exec cat /dev/zero", "", HELPER_TIMEOUT_MS, &result, &err), -E2BIG);
	assert_int_equal(err.status, COR_UNAVAILABLE);
	assert_null(result.output);
}

/* Much on standard error is no failure: only its beginning is kept. */
static void test_one_that_complains_much(void **state)
{
	_helper_result_ struct helper_result result = {0};

	assert_int_equal(
		run("head -c 1000000 /dev/zero >&2; echo done", "", HELPER_TIMEOUT_MS, &result, NULL), 0);
	assert_string_equal(result.output, "done\n");
	assert_int_equal(strlen(result.complaint), HELPER_COMPLAINT_SIZE - 1);
}

static void test_one_that_does_not_end(void **state)
{
	struct helper_result result = {0};
	struct cor_error err = {0};

	assert_int_equal(run("exec sleep 1000", "", 20, &result, &err), -ETIMEDOUT);
	assert_int_equal(err.status, COR_TIMEOUT);
}

/* What it leaves behind with its pipes in hand is not waited for. It ends by itself when the test removes its folder. */
static void test_one_that_leaves_a_child(void **state)
{
	_helper_result_ struct helper_result result = {0};
	_free_ char *script = str_format("(while [ -e %s/program ]; do sleep 1; done) & echo done", folder);

	assert_int_equal(run(script, "", HELPER_TIMEOUT_MS, &result, NULL), 0);
	assert_string_equal(result.output, "done\n");
}

static void test_one_that_is_not_there(void **state)
{
	struct helper_result result = {0};
	struct cor_error err = {0};

	assert_true(helper_run("absent-program", "verb", "", HELPER_TIMEOUT_MS, &result, &err) < 0);
	assert_int_equal(err.status, COR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "PATH"));
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", "../x", "a/b", "/bin/sh", ".x", "-x", "a b", "a;b", "a\n"};

	assert_true(credential_helper_valid("osxkeychain"));
	assert_true(credential_helper_valid("desktop.exe"));
	assert_true(credential_helper_valid("ecr-login"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(credential_helper_valid(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input_and_output),
		cmocka_unit_test(test_one_that_does_not_read),
		cmocka_unit_test(test_one_that_is_killed),
		cmocka_unit_test(test_one_that_says_too_much),
		cmocka_unit_test(test_one_that_complains_much),
		cmocka_unit_test(test_one_that_does_not_end),
		cmocka_unit_test(test_one_that_leaves_a_child),
		cmocka_unit_test(test_one_that_is_not_there),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
