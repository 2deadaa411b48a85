/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"512", 512},
		{"512b", 512},
		{"64k", 64 * KIB},
		{"1.5g", GIB + GIB / 2},
		{"2GiB", 2 * GIB},
		{"1T", 1024 * GIB},
		{"3MB", 3 * MIB},
	};
	static const char *const bad[] = {"", "g", "-1", "1x", "1.", "1kk", " 1", "1 k", "0x10"};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(size_parse(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(size_parse(bad[i], &bytes), -EINVAL);
	assert_int_equal(size_parse("99999999999p", &bytes), -ERANGE);
	assert_int_equal(size_parse("99999999999999999999999", &bytes), -ERANGE);
}

static void test_numbers(void **state)
{
	int64_t value;

	assert_int_equal(number_parse("-12", -20, 20, &value), 0);
	assert_int_equal(value, -12);
	assert_int_equal(number_parse("21", -20, 20, &value), -ERANGE);
	assert_int_equal(number_parse("+1", 0, 20, &value), -EINVAL);
	assert_int_equal(number_parse("-", -9, 20, &value), -EINVAL);
	assert_int_equal(number_parse("9223372036854775808", 0, INT64_MAX, &value), -ERANGE);
	assert_int_equal(number_parse("-9223372036854775808", INT64_MIN, 0, &value), 0);
	assert_true(value == INT64_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_numbers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
