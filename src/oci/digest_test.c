/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include "base/macro.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* CVE-2024-3727: a digest that is no digest became a path. */
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

/* image-spec, descriptor.md#digests: the grammar, and the registered algorithms. */
static void test_reasons(void **state)
{
	static const struct {
		const char *digest, *reason;
	} cases[] = {
		{NULL, "none"},
		{"", "none"},
		{HEX, "no algorithm"},
		{":" HEX, "lower-case letters and digits"},
		{"SHA256:" HEX, "lower-case letters and digits"},
		{"sha256+:" HEX, "lower-case letters and digits"},
		{"sha+.x:" HEX, "lower-case letters and digits"},
		{"../../x:" HEX, "lower-case letters and digits"},
		{"sha512:" HEX HEX, "only sha256 is taken"},
		{"blake3:" HEX, "only sha256 is taken"},
		{"md5:" HEX, "not registered"},
		{"sha256+b64:" HEX, "not registered"},
		{"sha256:", "64 lower-case"},
		{"sha256:" HEX "00", "64 lower-case"},
		{"sha256:../../../../../../../../../../../../../../../../../../../etc/pas", "64 lower-case"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_false(digest_valid(cases[i].digest));
		if (!strstr(digest_problem(cases[i].digest), cases[i].reason))
			fail_msg("%s: %s", cases[i].digest, digest_problem(cases[i].digest));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_valid), cmocka_unit_test(test_reasons)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
