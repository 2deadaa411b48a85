/* SPDX-License-Identifier: Apache-2.0 */
#include "container/detach_keys.h"

#include "base/macro.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_parse(void **state)
{
	struct detach_keys keys;

	assert_int_equal(detach_keys_parse("ctrl-p,ctrl-q", &keys), 0);
	assert_int_equal(keys.length, 2);
	assert_int_equal(keys.sequence[0], 16);
	assert_int_equal(keys.sequence[1], 17);
	assert_int_equal(detach_keys_parse("a,ctrl-@,ctrl-_", &keys), 0);
	assert_memory_equal(keys.sequence, "a\0\x1f", 3);
	assert_int_equal(detach_keys_parse(NULL, &keys), 0);
	assert_int_equal(keys.length, 0);
	assert_int_equal(detach_keys_parse("ctrl-P", &keys), -EINVAL);
	assert_int_equal(detach_keys_parse("ab", &keys), -EINVAL);
	assert_int_equal(detach_keys_parse("a,", &keys), -EINVAL);
	assert_int_equal(detach_keys_parse("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", &keys), -EINVAL);
}

/* Types the text in pieces of the given size; what comes out is appended to out. */
static bool type(struct detach_keys *keys, const char *text, size_t piece, char *out)
{
	size_t length = strlen(text), used = 0;
	bool done = false;

	for (size_t i = 0; i < length && !done; i += piece) {
		uint8_t passed[64 + DETACH_KEYS_MAX];
		size_t size;

		done = detach_keys_feed(keys, (const uint8_t *)text + i, MIN(piece, length - i), passed,
					&size);
		memcpy(out + used, passed, size);
		used += size;
	}
	out[used] = '\0';
	return done;
}

static void test_feed(void **state)
{
	static const struct {
		const char *keys, *typed, *passed;
		bool detached;
	} cases[] = {
		{"a,b", "xaby", "x", true},        {"a,b", "aab", "a", true},
		{"a,b", "axb", "axb", false},      {"a,a,b", "aaab", "a", true},
		{"a,b,a,c", "ababac", "ab", true}, {"", "anything", "anything", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece < 6; piece++) {
			struct detach_keys keys;
			char out[64];

			assert_int_equal(detach_keys_parse(cases[i].keys, &keys), 0);
			assert_int_equal(type(&keys, cases[i].typed, piece, out), cases[i].detached);
			assert_string_equal(out, cases[i].passed);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
