/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/value.h"

#include "cli/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_numbers(void **state)
{
	static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "0x1", "1.0", "--1"};
	int64_t n = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(value_number(bad[i], INT64_MIN, INT64_MAX, &n), -EINVAL);
	assert_int_equal(value_number("5", 6, 9, &n), -ERANGE);
	assert_int_equal(value_number("9223372036854775808", 0, INT64_MAX, &n), -ERANGE);
	assert_int_equal(n, 42);
	assert_int_equal(value_number("-9223372036854775808", INT64_MIN, 0, &n), 0);
	assert_true(n == INT64_MIN);
	assert_int_equal(value_number("007", 0, 9, &n), 0);
	assert_int_equal(n, 7);
}

static void test_cpus(void **state)
{
	static const char *const bad[] = {"", ".5", "5.", "1e3", "-1", "4097", "4096.1", "inf"};
	double cpus = 0;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_true(value_cpus(bad[i], &cpus) < 0);
	assert_int_equal(value_cpus("1.5", &cpus), 0);
	assert_true(cpus > 1.49 && cpus < 1.51);
	assert_int_equal(value_cpus("4096", &cpus), 0);
	assert_int_equal(value_cpus("0.0", &cpus), 0);
	assert_true(cpus == 0);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"512", 512},
		{"512B", 512},
		{"64k", 65536},
		{"1.5g", UINT64_C(1610612736)},
		{"2GiB", UINT64_C(2147483648)},
		{"0.5p", UINT64_C(562949953421312)},
	};
	static const char *const bad[] = {"", "k", "1x", "1kk", "-1", "1 k", "1.", "1ibk"};
	uint64_t bytes = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(value_size(bad[i], &bytes), -EINVAL);
	assert_int_equal(value_size("99999999p", &bytes), -ERANGE);
	assert_int_equal(bytes, 42);
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(value_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void test_durations(void **state)
{
	static const char *const bad[] = {"", "s", "5x", "1m5", "-1s", "1h 2m"};
	int64_t ns = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(value_duration(bad[i], &ns), -EINVAL);
	assert_int_equal(value_duration("9999999999h", &ns), -ERANGE);
	assert_int_equal(ns, 42);
	assert_int_equal(value_duration("1h30m", &ns), 0);
	assert_int_equal(ns, INT64_C(5400000000000));
	assert_int_equal(value_duration("1.5ms", &ns), 0);
	assert_int_equal(ns, 1500000);
	assert_int_equal(value_duration("10", &ns), 0);
	assert_int_equal(ns, INT64_C(10000000000));
}

static void test_moments(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{"1000.5", INT64_C(1000500000000)},
		{"10m", INT64_C(400000000000)},
		{"2h", 0},
		{"2001-09-09", INT64_C(999993600000000000)},
		{"2001-09-09T01:46:40Z", INT64_C(1000000000000000000)},
		{"2001-09-09 01:46:40.5", INT64_C(1000000000500000000)},
		{"2001-09-09T03:46:40+02:00", INT64_C(1000000000000000000)},
		{"2001-09-09T01:46", INT64_C(999999960000000000)},
	};
	static const char *const bad[] = {"",
					  "yesterday",
					  "2001-02-29",
					  "2001-13-01",
					  "2001-09-09T",
					  "2001-09-09T01:46:40+2:00",
					  "2001-09-09T01:46:40Zx",
					  "1969-01-01",
					  "2001-9-9"};
	int64_t ns = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(value_moment(bad[i], INT64_C(1000000000000), &ns), -EINVAL);
	assert_int_equal(ns, 42);
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(value_moment(good[i].text, INT64_C(1000000000000), &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_sizes),   cmocka_unit_test(test_durations),
		cmocka_unit_test(test_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
