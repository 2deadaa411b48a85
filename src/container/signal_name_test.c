/* SPDX-License-Identifier: Apache-2.0 */
#include "container/signal_name.h"

#include "coracle/container.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void test_names_and_numbers(void **state)
{
	int number = 0;

	assert_int_equal(cor_signal_parse("SIGTERM", &number), 0);
	assert_int_equal(number, SIGTERM);
	assert_int_equal(cor_signal_parse("term", &number), 0);
	assert_int_equal(number, SIGTERM);
	assert_int_equal(cor_signal_parse("9", &number), 0);
	assert_int_equal(number, SIGKILL);
	assert_int_equal(cor_signal_parse("RTMIN+3", &number), 0);
	assert_int_equal(number, 37);
	assert_int_equal(cor_signal_parse("sigrtmax-1", &number), 0);
	assert_int_equal(number, 63);
	assert_string_equal(signal_name(37 - 3), "SIGRTMIN");
	assert_string_equal(signal_name(SIGHUP), "SIGHUP");
	assert_null(signal_name(40));
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {"", "0", "65", "-1", "SIG", "SIGFOO", "RTMIN+31", "RTMAX-", "15 "};
	int number = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cor_signal_parse(bad[i], &number), -EINVAL);
	assert_int_equal(number, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_numbers),
		cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
