/* SPDX-License-Identifier: Apache-2.0 */
/* system check: an exit status for scripts, a table of problems for people. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"

#include <stdint.h>
#include <string.h>

#define DIGITS       64
#define DIGITS_SHOWN 12

static const char *string_of(const json_t *problem, const char *key)
{
	const char *text = json_string_value(json_object_get(problem, key));

	return text ? text : "";
}

static bool repaired(const json_t *problem)
{
	return json_is_true(json_object_get(problem, "Repaired"));
}

/* A copy in which a digest, or an id of a container, has its first digits only. The caller's. */
static char *shortened(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	char *copy = text_copy(text), *to = copy;

	while (*text) {
		size_t length = strspn(text, digits);
		size_t kept = length == DIGITS ? DIGITS_SHOWN : length ? length : strcspn(text, digits);

		memmove(to, text, kept);
		to += kept;
		text += length ? length : kept;
	}
	*to = '\0';
	return copy;
}

static void add_row(struct table *table, const json_t *problem)
{
	_text_ char *what = shortened(string_of(problem, "What"));
	_text_ char *text = shortened(string_of(problem, "Problem"));

	table_row(table, (const char *const[]){what, text, repaired(problem) ? "yes" : "no"});
}

static void print_problems(const json_t *problems)
{
	_table_ struct table table = {.columns = 3};
	json_t *problem;
	size_t i;

	table_row(&table, (const char *const[]){"WHAT", "PROBLEM", "REPAIRED"});
	json_array_foreach ((json_t *)(uintptr_t)problems, i, problem)
		add_row(&table, problem);
	table_print(&table, stdout);
}

/* Such a problem says itself what a person can do; a repair can do nothing. */
static bool needs_person(const json_t *problem)
{
	const char *remedy = strrchr(string_of(problem, "Problem"), ':');

	return text_same(remedy, ": pull or load the image again") ||
	       text_same(remedy, ": remove the container");
}

/* Problems that are still there, and those among them that a repair may mend. */
static size_t count_left(const json_t *problems, size_t *ret_mendable)
{
	size_t i, left = 0;
	json_t *problem;

	*ret_mendable = 0;
	json_array_foreach ((json_t *)(uintptr_t)problems, i, problem) {
		left += !repaired(problem);
		*ret_mendable += !repaired(problem) && !needs_person(problem);
	}
	return left;
}

static void tell_rest(size_t left, size_t mendable, bool repair)
{
	_text_ char *count = text_format("%zu problem%s left", left, left == 1 ? " is" : "s are");

	if (left && (repair || !mendable))
		report_note("%s that cannot be repaired here", count);
	else if (left)
		report_note("%s; --repair removes what is broken and can be fetched or made again", count);
}

static int check_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	bool repair = arguments_flag(args, "repair", false);
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *problems = NULL;
	char *text = NULL;
	size_t left, mendable;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_system_check(ctx, repair, &text, err);
	if (r == 0)
		r = output_parse(text, &problems, err);
	if (r < 0)
		return r;
	if (format != OUTPUT_TABLE)
		output_document(format, problems);
	else if (json_array_size(problems))
		print_problems(problems);
	else
		report_note("all is as it must be");
	left = count_left(problems, &mendable);
	tell_rest(left, mendable, repair);
	*ret_status = left ? 1 : 0;
	return 0;
}

static const struct option check_options[] = {
	{"repair", '\0', NULL, "remove what is broken and can be fetched or made again"},
	{0},
};
static const struct option_group check_group = {"Options", check_options};
const struct command command_system_check = {
	.name = "check",
	.summary = "look whether all that is stored is as it must be",
	.text = "Reads everything: each blob must have its digest, each image all that it names, each disk "
		"be of "
		"one. Exit status 1 when problems are left.",
	.examples = "coracle system check\ncoracle system check --repair; coracle pull debian:12",
	.groups = (const struct option_group *const[]){&check_group, &output_format_group, NULL},
	.run = check_run,
};
