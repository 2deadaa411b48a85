/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/platform.h"

#include "base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_normal_forms(void **state)
{
	static const struct {
		const char *text, *normal;
	} cases[] = {
		{"linux/amd64", "linux/amd64"}, {"amd64", "linux/amd64"},
		{"x86_64", "linux/amd64"},      {"linux/aarch64", "linux/arm64/v8"},
		{"arm64", "linux/arm64/v8"},    {"linux/arm/v7", "linux/arm/v7"},
		{"linux/i386", "linux/386"},    {"windows/amd64", "windows/amd64"},
	};
	char text[PLATFORM_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct platform p;

		assert_int_equal(platform_parse(cases[i].text, &p, NULL), 0);
		assert_string_equal(platform_format(&p, text), cases[i].normal);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"",
					  "/",
					  "linux/",
					  "/amd64",
					  "linux//v8",
					  "linux/arm/v7/x",
					  "lin ux/amd64",
					  "linux/a:b",
					  "linux/aaaaaaaaaaaaaaaaaaaaaaaa"};
	struct platform p;
	struct cor_error err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(platform_parse(bad[i], &p, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
	}
}

static bool matches(const char *image, const char *wanted)
{
	struct platform a, b;

	assert_int_equal(platform_parse(image, &a, NULL), 0);
	assert_int_equal(platform_parse(wanted, &b, NULL), 0);
	return platform_matches(&a, &b);
}

static void test_matches(void **state)
{
	struct platform host = platform_host();

	assert_true(matches("linux/amd64", "linux/x86_64"));
	assert_true(matches("linux/arm64", "linux/arm64/v8"));
	assert_true(matches("linux/arm", "linux/arm/v7"));
	assert_false(matches("linux/arm/v6", "linux/arm/v7"));
	assert_false(matches("linux/arm64", "linux/amd64"));
	assert_false(matches("windows/amd64", "linux/amd64"));
	assert_string_equal(host.os, "linux");
	assert_true(host.architecture[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal_forms),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
