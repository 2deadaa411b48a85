/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_fresh_ids_are_valid_and_differ(void **state)
{
	char a[ID_SIZE], b[ID_SIZE];

	assert_int_equal(id_generate(a), 0);
	assert_int_equal(id_generate(b), 0);
	assert_true(id_valid(a));
	assert_string_not_equal(a, b);
}

static void test_what_is_no_id(void **state)
{
	char id[ID_SIZE + 1];

	memset(id, 'a', sizeof(id) - 1);
	id[ID_SIZE - 1] = '\0';
	assert_true(id_valid(id));
	id[7] = 'A';
	assert_false(id_valid(id));
	id[7] = '/';
	assert_false(id_valid(id));
	id[7] = '\0';
	assert_false(id_valid(id));
	id[7] = 'a';
	id[ID_SIZE - 1] = 'a';
	id[ID_SIZE] = '\0';
	assert_false(id_valid(id));
	assert_false(id_valid(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_ids_are_valid_and_differ),
		cmocka_unit_test(test_what_is_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
