/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/variables.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_lines(void **state)
{
	_words_ struct words words = {0};
	static const char *const wanted[] = {"A=1", "B=x y # z", "HERE=yes", "EMPTY=", "C==", "LAST=1"};

	setenv("HERE", "yes", 1);
	unsetenv("NOT_HERE");
	assert_int_equal(variables_parse("file",
					 "\xef\xbb\xbf# comment\nA=1\r\n\n \t B=x y # z\n  #\n"
					 "HERE\nNOT_HERE\nEMPTY=\nC==\n \r\nLAST=1",
					 &words, NULL),
			 0);
	assert_int_equal(words.count, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_string_equal(words.items[i], wanted[i]);
}

static void test_refusals(void **state)
{
	_words_ struct words words = {0};
	struct cor_error err;

	assert_int_equal(variables_parse("file", "A=1\n=x", &words, &err), -EINVAL);
	assert_string_equal(err.msg, "file: '=x' has no name before '='");
	assert_int_equal(variables_parse("file", "A B", &words, &err), -EINVAL);
	assert_string_equal(err.msg, "file: 'A B': a variable's name has no blanks");
	assert_int_equal(variables_add("--env", "", &words, &err), -EINVAL);
	assert_int_equal(variables_add("--env", "A\t=1", &words, &err), -EINVAL);
	assert_int_equal(words.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_refusals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
