/* SPDX-License-Identifier: Apache-2.0 */
/* system check: an exit status for scripts, a table of problems for people. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"

#include <stdint.h>

static const char *string_of(const json_t *problem, const char *key)
{
	const char *text = json_string_value(json_object_get(problem, key));

	return text ? text : "";
}

static bool repaired(const json_t *problem)
{
	return json_is_true(json_object_get(problem, "Repaired"));
}

static void print_problems(const json_t *problems)
{
	_table_ struct table table = {.columns = 3};
	json_t *problem;
	size_t i;

	table_row(&table, (const char *const[]){"WHAT", "PROBLEM", "REPAIRED"});
	json_array_foreach ((json_t *)(uintptr_t)problems, i, problem)
		table_row(&table,
			  (const char *const[]){string_of(problem, "What"), string_of(problem, "Problem"),
						repaired(problem) ? "yes" : "no"});
	table_print(&table, stdout);
}

/* Problems that are still there. */
static size_t count_left(const json_t *problems)
{
	size_t i, left = 0;
	json_t *problem;

	json_array_foreach ((json_t *)(uintptr_t)problems, i, problem)
		left += !repaired(problem);
	return left;
}

static void tell_rest(size_t left, bool repair)
{
	_text_ char *count = text_format("%zu problem%s left", left, left == 1 ? " is" : "s are");

	if (left && repair)
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
	size_t left;
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
	left = count_left(problems);
	tell_rest(left, repair);
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
	.examples = "coracle system check\ncoracle system check --repair && coracle pull debian:12",
	.groups = (const struct option_group *const[]){&check_group, &output_format_group, NULL},
	.run = check_run,
};
