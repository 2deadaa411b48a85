/* SPDX-License-Identifier: Apache-2.0 */
#include "share/owners.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_range_of_a_name_or_a_number(void **state)
{
	unsigned first, count;

	assert_int_equal(share_owners_range("anna:100000:65536\nben:165536:1000\n", "ben", 7, &first, &count),
			 0);
	assert_int_equal(first, 165536);
	assert_int_equal(count, 1000);
	assert_int_equal(share_owners_range("anna:100000:65536\n7:5:6", "ben", 7, &first, &count), 0);
	assert_int_equal(first, 5);
	assert_int_equal(count, 6);
}

static void what_is_no_range_is_passed_by(void **state)
{
	static const char *const wrong[] = {
		"",
		"\n\n",
		"ben",
		"ben:",
		"ben:1",
		"ben:1:",
		"ben::5",
		"ben:0:5",
		"ben:5:0",
		"ben:x:5",
		"benno:1:2",
		"xben:1:2",
		"ben:1:2:3",
		"ben:1:2 x",
		"ben:-1:2",
		"ben:4294967296:1",
		"ben:4294967295:1",
		"ben:9:99999999999999999999",
	};
	unsigned first = 42, count = 43;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(share_owners_range(wrong[i], "ben", 7, &first, &count), -ENOENT);
	assert_int_equal(first, 42);
	assert_int_equal(share_owners_range("ben:x:1\nben:8:9\n", "ben", 7, &first, &count), 0);
	assert_int_equal(first, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_range_of_a_name_or_a_number),
		cmocka_unit_test(what_is_no_range_is_passed_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
