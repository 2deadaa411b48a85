/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolved.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_words(const struct strv *args, const char *expected)
{
	_free_ char *words =
		str_format("%s %s %s %s", args->items[0], args->items[1], args->items[2], args->items[3]);

	assert_int_equal(args->count, 4);
	assert_string_equal(words, expected);
}

static void test_arguments(void **state)
{
	struct network network = {.name = "blue", .domain = "blue.test"};
	struct strv calls[RESOLVED_CALLS] = {0};

	assert_int_equal(net_prefix_parse("10.66.0.0/24", &network.v4), 0);
	resolved_arguments("/usr/bin/resolvectl", "corb12345678", &network, calls);
	assert_words(&calls[0], "/usr/bin/resolvectl dns corb12345678 10.66.0.1");
	assert_words(&calls[1], "/usr/bin/resolvectl domain corb12345678 ~blue.test");
	assert_words(&calls[2], "/usr/bin/resolvectl default-route corb12345678 no");
	for (size_t i = 0; i < RESOLVED_CALLS; i++)
		strv_release(&calls[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_arguments)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
