/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include "base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_valid(void **state)
{
	static const char *const bad[] = {
		NULL,
		"",
		"sha256:",
		HEX,
		"sha256:" HEX "0",
		"sha256:0123",
		"sha512:" HEX,
		"SHA256:" HEX,
		" sha256:" HEX,
		"sha256:" HEX "\n",
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"sha256:../../../../../../../../../../../../../../../../../../../etc/pas",
	};

	assert_true(digest_valid("sha256:" HEX));
	assert_string_equal(digest_hex("sha256:" HEX), HEX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(digest_valid(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_valid)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
