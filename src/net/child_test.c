/* SPDX-License-Identifier: Apache-2.0 */
#include "net/child.h"

#include "base/cleanup.h"
#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/wait.h>

#define LONG_MS 60000u

static void test_input_and_output(void **state)
{
	const char *const args[] = {"/bin/sh", "-c", "cat; echo more >&2; exit 3", NULL};
	_free_ char *output = NULL, *cut = NULL;
	int status = 0;

	assert_int_equal(child_run(args, "words\n", 6, -1, LONG_MS, 100, &status, &output), 0);
	assert_string_equal(output, "words\nmore\n");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	assert_int_equal(child_run(args, "words\n", 6, -1, LONG_MS, 5, &status, &cut), 0);
	assert_string_equal(cut, "words");
}

/* With its output open, and with that closed. */
static void test_one_that_hangs_is_killed(void **state)
{
	const char *const scripts[] = {"echo $$; exec sleep 1000", "echo $$; exec sleep 1000 >&- 2>&-"};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		const char *const args[] = {"/bin/sh", "-c", scripts[i], NULL};
		char *output = NULL;
		int status = 0;

		assert_int_equal(child_run(args, "", 0, -1, 100, 100, &status, &output), -ETIMEDOUT);
		assert_null(output);
		/* And reaped. */
		assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	}
}

struct ends {
	int kept, closed;
};

static void report(void *context)
{
	const struct ends *ends = context;
	char open = fcntl(ends->closed, F_GETFD) >= 0 ? 'y' : 'n';

	(void)!write(ends->kept, &open, 1);
}

static void test_a_copy_has_only_what_it_was_given(void **state)
{
	_fd_ int reader = -1, writer = -1, other = -1;
	int ends[2];
	char open = 0;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	reader = ends[0];
	writer = ends[1];
	other = fcntl(reader, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(child_carry_on(report, &(struct ends){writer, other}, &writer, 1), 0);
	close_fd(&writer);
	assert_int_equal(read(reader, &open, 1), 1);
	assert_int_equal(open, 'n');
	assert_int_equal(read(reader, &open, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input_and_output),
		cmocka_unit_test(test_one_that_hangs_is_killed),
		cmocka_unit_test(test_a_copy_has_only_what_it_was_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
