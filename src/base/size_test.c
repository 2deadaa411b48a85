/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

static void test_sizes_as_people_write_them(void **state)
{
	char text[SIZE_TEXT_SIZE];

	assert_string_equal(size_format(10 * MIB, text), "10m");
	assert_string_equal(size_format(3 * GIB, text), "3g");
	assert_string_equal(size_format(GIB + MIB, text), "1025m");
	assert_string_equal(size_format(1000, text), "1000");
	assert_string_equal(size_format(0, text), "0");
	assert_string_equal(size_format(UINT64_MAX, text), "18446744073709551615");
}

static void test_sizes_that_are_read(void **state)
{
	static const char *const none[] = {"",   "k", "-1",  "1.5g", "1q",  "1kk", " 1",
					   "1 ", "b", "0x1", "+1",   "1gi", NULL};
	uint64_t bytes = 7;

	assert_int_equal(size_parse("20g", &bytes), 0);
	assert_true(bytes == 20 * GIB);
	assert_int_equal(size_parse("3MiB", &bytes), 0);
	assert_true(bytes == 3 * MIB);
	assert_int_equal(size_parse("100b", &bytes), 0);
	assert_true(bytes == 100);
	assert_int_equal(size_parse("16384p", &bytes), -ERANGE);
	assert_int_equal(size_parse("99999999999999999999999999", &bytes), -ERANGE);
	for (size_t i = 0; none[i]; i++)
		assert_int_equal(size_parse(none[i], &bytes), -EINVAL);
	assert_true(bytes == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
					   cmocka_unit_test(test_sizes_as_people_write_them),
					   cmocka_unit_test(test_sizes_that_are_read)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
