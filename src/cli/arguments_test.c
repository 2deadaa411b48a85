/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/arguments.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct option options[] = {
	{"detach", 'd', NULL, "a flag"},
	{"interactive", 'i', NULL, "another"},
	{"user", 'u', "USER", "a value"},
	{"env", 'e', "KEY", "values", .repeats = true},
	{"format", '\0', "FORMAT", "a choice", .choices = "json yaml"},
	{"memory", 'm', "SIZE", "a size"},
	{"hostname", 'h', "NAME", "has the letter of help"},
	{0},
};
static const struct option_group group = {"Options", options};
static const struct option_group *const groups[] = {&group, NULL};
/* One whose operands end its options, and one in which they mix. */
static const struct command run = {.name = "run",
				   .operands = "IMAGE",
				   .min = 1,
				   .max = COMMAND_ANY,
				   .operand_ends = true,
				   .groups = groups};
static const struct command stop = {.name = "stop", .max = 2, .groups = groups};

static struct arguments args;
static struct cor_error err;

static int release(void **state)
{
	arguments_release(&args);
	err = (struct cor_error){0};
	return 0;
}

#define PARSE(command, ...)                                                                                  \
	arguments_parse(&args, "coracle x", command,                                                         \
			(char *const *)(const char *const[]){__VA_ARGS__, NULL}, &err)

static void test_letters(void **state)
{
	assert_int_equal(PARSE(&run, "-diuroot", "-e", "A", "-e=B", "-eC=1", "image", "-d"), 0);
	assert_true(arguments_flag(&args, "detach", false));
	assert_true(arguments_flag(&args, "interactive", false));
	assert_string_equal(arguments_text(&args, "user"), "root");
	assert_int_equal(arguments_words(&args, "env")->count, 3);
	assert_string_equal(arguments_words(&args, "env")->items[1], "B");
	assert_string_equal(arguments_words(&args, "env")->items[2], "C=1");
	assert_int_equal(args.operand_count, 2);
	assert_string_equal(args.operands[1], "-d");
	assert_null(args.operands[2]);
}

static void test_long_names(void **state)
{
	assert_int_equal(PARSE(&stop, "a", "--user=x", "--user", "y=z", "--detach=false", "--", "--env"), 0);
	assert_string_equal(arguments_text(&args, "user"), "y=z");
	assert_false(arguments_flag(&args, "detach", true));
	assert_true(arguments_given(&args, "detach"));
	assert_false(arguments_given(&args, "env"));
	assert_true(arguments_flag(&args, "interactive", true));
	assert_int_equal(args.operand_count, 2);
	assert_string_equal(args.operands[1], "--env");
}

static void test_a_lone_dash_is_an_operand(void **state)
{
	assert_int_equal(PARSE(&stop, "-", "-d"), 0);
	assert_int_equal(args.operand_count, 1);
	assert_true(arguments_flag(&args, "detach", false));
}

static void test_help(void **state)
{
	assert_int_equal(PARSE(&run, "-d", "--help", "--nonsense"), 0);
	assert_true(args.help);
	release(NULL);
	assert_int_equal(PARSE(&run, "-h"), 0);
	assert_true(args.help);
	release(NULL);
	assert_int_equal(PARSE(&run, "-h", "name", "image"), 0);
	assert_false(args.help);
	assert_string_equal(arguments_text(&args, "hostname"), "name");
}

static void refused(int r, const char *text)
{
	assert_int_equal(r, -EINVAL);
	assert_int_equal(err.status, COR_INVALID);
	assert_string_equal(err.msg, text);
	release(NULL);
}

static void test_refusals(void **state)
{
	refused(PARSE(&run, "--usr", "x", "image"),
		"unknown option --usr; did you mean '--user'? 'coracle x --help' lists what there is");
	refused(PARSE(&run, "--=x", "image"), "unknown option --; 'coracle x --help' lists what there is");
	refused(PARSE(&run, "-dz", "image"), "unknown option -z; 'coracle x --help' lists what there is");
	refused(PARSE(&run, "--user"), "--user needs USER behind it");
	refused(PARSE(&run, "-du"), "-u needs USER behind it");
	refused(PARSE(&run, "-d"), "'run' needs IMAGE; 'coracle x --help' says more");
	refused(PARSE(&stop, "a", "b", "c"), "'c' is too much; 'coracle x --help' says what it takes");
	refused(PARSE(&run, "--format", "xml", "image"), "--format 'xml': must be one of: json yaml");
	refused(PARSE(&run, "--detach=x", "image"),
		"--detach is on or off: it takes 'true' or 'false', not 'x'");
}

static void test_numbers_and_sizes(void **state)
{
	uint64_t bytes = 1;
	int64_t number = 1;

	assert_int_equal(PARSE(&stop, "-m", "2k", "-u", "12"), 0);
	assert_int_equal(arguments_size(&args, "memory", &bytes, &err), 0);
	assert_int_equal(bytes, 2048);
	assert_int_equal(arguments_number(&args, "user", 0, 12, &number, &err), 0);
	assert_int_equal(number, 12);
	assert_int_equal(arguments_number(&args, "hostname", 0, 1, &number, &err), 0);
	assert_int_equal(number, 12);
	assert_int_equal(arguments_number(&args, "user", 0, 11, &number, &err), -EINVAL);
	assert_string_equal(err.msg, "--user '12': must be a whole number from 0 to 11");
	assert_int_equal(arguments_size(&args, "user", &bytes, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_letters, release),
		cmocka_unit_test_teardown(test_long_names, release),
		cmocka_unit_test_teardown(test_a_lone_dash_is_an_operand, release),
		cmocka_unit_test_teardown(test_help, release),
		cmocka_unit_test_teardown(test_refusals, release),
		cmocka_unit_test_teardown(test_numbers_and_sizes, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
