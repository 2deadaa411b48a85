/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_format_and_parse(void **state)
{
	char text[CLOCK_RFC3339_SIZE];
	int64_t ns;

	assert_string_equal(clock_format(INT64_C(1700000000123456789), text),
			    "2023-11-14T22:13:20.123456789Z");
	assert_int_equal(clock_parse(text, &ns), 0);
	assert_int_equal(ns, INT64_C(1700000000123456789));
	assert_int_equal(clock_parse("2023-11-14T23:13:20.5+01:00", &ns), 0);
	assert_int_equal(ns, INT64_C(1700000000500000000));
	assert_int_equal(clock_parse("2024-02-29t12:00:60z", &ns), 0);
	assert_int_equal(ns, INT64_C(1709208060000000000));
	assert_string_equal(clock_format(-1, text), "1969-12-31T23:59:59.999999999Z");
}

static void test_refuses_other_text(void **state)
{
	static const char *const bad[] = {"",
					  "2023-11-14",
					  "2023-11-14T22:13:20",
					  "2023-11-14T22:13:20.Z",
					  "2023-11-14T22:13:20+1:00",
					  "2023-11-14T22:13:20Zx",
					  "2023-11-14T22:13:20+99:00",
					  "2023-11-14T22:13:20+ 1:+2",
					  "2023-02-29T00:00:00Z",
					  "2023-13-01T00:00:00Z",
					  "2023-11-14 22:13:20Z",
					  " 2023-11-14T22:13:20Z",
					  "2023-11-14T22:13:20",
					  "2023-11-14T",
					  "9999-01-01T00:00:00Z"};
	int64_t ns = 42;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(clock_parse(bad[i], &ns), -EINVAL);
	assert_int_equal(ns, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_and_parse),
		cmocka_unit_test(test_refuses_other_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
