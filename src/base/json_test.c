/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static json_t *parse(const char *text)
{
	json_t *document = NULL;

	assert_int_equal(json_parse_object(text, strlen(text), "test", &document, NULL), 0);
	return document;
}

static void test_members(void **state)
{
	_json_ json_t *document =
		parse("{\"s\": \"x\", \"n\": 7, \"t\": true, \"z\": null, \"v\": [\"a\", \"b\"]}");
	const char *s = "unset";
	struct strv v = {0};
	int64_t n = 1;
	bool t = false;

	assert_int_equal(json_get_string(document, "s", &s), 0);
	assert_string_equal(s, "x");
	assert_int_equal(json_get_int(document, "n", &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(json_get_bool(document, "t", &t), 0);
	assert_true(t);
	assert_int_equal(json_get_int(document, "z", &n), 0);
	assert_int_equal(json_get_int(document, "missing", &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(json_get_int(document, "s", &n), -EINVAL);
	assert_int_equal(json_get_strv(document, "v", &v), 0);
	assert_int_equal(v.count, 2);
	strv_release(&v);
}

static void test_refuses(void **state)
{
	static const char *const bad[] = {"", "[]", "{", "{\"a\":1,\"a\":2}", "{} x"};
	json_t *document = NULL;
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(json_parse_object(bad[i], strlen(bad[i]), "test", &document, &err),
				 -EBADMSG);
		assert_int_equal(err.status, COR_CORRUPT);
	}
	assert_null(document);
}

static void test_strings_with_nul_are_refused(void **state)
{
	_json_ json_t *document = json_pack("{s:s%}", "s", "a\0b", (size_t)3);
	const char *s = NULL;

	assert_non_null(document);
	assert_int_equal(json_get_string(document, "s", &s), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_strings_with_nul_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
