/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/buffer.h"

#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void test_split_and_join(void **state)
{
	struct strv v = strv_split("a,,b", ',');
	_free_ char *joined = strv_join(&v, "--");

	assert_int_equal(v.count, 3);
	assert_string_equal(v.items[1], "");
	assert_null(v.items[3]);
	assert_string_equal(joined, "a----b");
	assert_true(strv_contains(&v, "b"));
	assert_false(strv_contains(&v, "c"));
	strv_release(&v);
	assert_int_equal(v.count, 0);
}

static void test_prefixes(void **state)
{
	assert_string_equal(str_after("sha256:ab", "sha256:"), "ab");
	assert_null(str_after("sha25", "sha256:"));
	assert_true(str_made_of("abc", 3, "abc"));
	assert_false(str_made_of("abca", 3, "abc"));
	assert_false(str_made_of("", 3, "abc"));
	assert_true(str_equal(NULL, NULL));
	assert_false(str_equal(NULL, "x"));
}

static void test_buffer_moves_only_when_it_must(void **state)
{
	struct buffer b = {0};
	char block[200];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 1000; i++) {
		buffer_append(&b, block, sizeof(block));
		buffer_consume(&b, 150);
	}
	assert_int_equal(buffer_size(&b), 1000 * 50);
	assert_int_equal(buffer_bytes(&b)[0], 'x');
	buffer_consume(&b, buffer_size(&b));
	assert_int_equal(b.start, 0);
	buffer_printf(&b, "%d!", 42);
	assert_memory_equal(buffer_bytes(&b), "42!", 3);
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_and_join),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_buffer_moves_only_when_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
