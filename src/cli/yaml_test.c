/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void gives(const char *json, const char *yaml)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(value);
	assert_non_null(out);
	yaml_print(value, out);
	fclose(out);
	assert_string_equal(text, yaml);
	free(text);
	json_decref(value);
}

static void test_scalars(void **state)
{
	gives("1", "1\n");
	gives("-1.5", "-1.5\n");
	gives("2.0", "2.0\n");
	gives("1e30", "1.0e+30\n");
	gives("1.5e22", "1.5e+22\n");
	gives("true", "true\n");
	gives("null", "null\n");
	gives("[]", "[]\n");
	gives("{}", "{}\n");
}

static void test_strings_that_stand_bare(void **state)
{
	gives("\"runner\"", "runner\n");
	gives("\"/bin/sh\"", "/bin/sh\n");
	gives("\"a-b.c_d\"", "a-b.c_d\n");
}

static void test_strings_that_a_reader_would_take_for_something_else(void **state)
{
	static const char *const words[] = {
		"",   "true", "No",   "on",   "NULL", "~",   "1",   "0x1f", "1e3",        ".5",
		"-",  "- a",  "a: b", "a #b", "#",    "[a]", "{a}", "&a",   "*a",         "!a",
		"|",  ">",    "%a",   "@a",   "`a",   "=",   "<<",  "---",  "2026-01-31", " a",
		"a ", "a:",   "?",    "y",    "inf",  "a,b", "'a'"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char json[64], yaml[64];

		snprintf(json, sizeof(json), "\"%s\"", words[i]);
		snprintf(yaml, sizeof(yaml), "\"%s\"\n", words[i]);
		gives(json, yaml);
	}
}

static void test_escapes(void **state)
{
	gives("\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"\n");
	gives("\"a\\nb\\tc\\u0000\"", "\"a\\nb\\x09c\\x00\"\n");
	gives("\"\\u001b[2J\\u007f\"", "\"\\x1b[2J\\x7f\"\n");
	/* Breaks, byte order marks and control characters beyond ASCII. */
	gives("\"\\u0085\\u009b\\u00a0\"", "\"\\x85\\x9b\\xa0\"\n");
	gives("\"\\u2028\\u2029\\ufeff\\uffff\"", "\"\\u2028\\u2029\\ufeff\\uffff\"\n");
	gives("\"\\u00e9\\u2027\\ud83d\\ude00\"", "\"\xc3\xa9\xe2\x80\xa7\xf0\x9f\x98\x80\"\n");
}

static void test_nesting(void **state)
{
	gives("[{\"a\": [1, [2, 3], {}], \"b\": {\"c\": \"d\", \"e\": []}}, \"x\"]", "- a:\n"
										     "    - 1\n"
										     "    - - 2\n"
										     "      - 3\n"
										     "    - {}\n"
										     "  b:\n"
										     "    c: d\n"
										     "    e: []\n"
										     "- x\n");
	gives("{\"a key: odd\": {\"true\": 1}}", "\"a key: odd\":\n  \"true\": 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_strings_that_stand_bare),
		cmocka_unit_test(test_strings_that_a_reader_would_take_for_something_else),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
