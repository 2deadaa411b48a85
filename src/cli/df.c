/* SPDX-License-Identifier: Apache-2.0 */
/* system df: a row for whatever kinds of things the library knows of, so that a new kind needs no change here. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/table.h"

#include <stdint.h>

static char *count_text(const json_t *kind, const char *key)
{
	const json_t *value = json_object_get(kind, key);

	return json_is_integer(value) ? text_format("%lld", (long long)json_integer_value(value))
				      : text_copy("");
}

static char *size_text(const json_t *kind, const char *key)
{
	const json_t *value = json_object_get(kind, key);

	return json_is_integer(value) && json_integer_value(value) >= 0
		       ? table_size((uint64_t)json_integer_value(value))
		       : text_copy("");
}

/* "1.2 GB (50%)" */
static char *reclaimable_text(const json_t *kind)
{
	json_int_t size = json_integer_value(json_object_get(kind, "Size"));
	json_int_t part = json_integer_value(json_object_get(kind, "Reclaimable"));
	_text_ char *text = size_text(kind, "Reclaimable");

	if (!*text || size <= 0 || part < 0 || part > size)
		return text_copy(text);
	return text_format("%s (%d%%)", text, (int)((double)part * 100 / (double)size));
}

static void print_kinds(const json_t *facts)
{
	_table_ struct table table = {.columns = 5};
	const char *key;
	json_t *kind;

	table_row(&table, (const char *const[]){"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"});
	json_object_foreach ((json_t *)(uintptr_t)facts, key, kind) {
		_text_ char *total = count_text(kind, "Total"), *active = count_text(kind, "Active");
		_text_ char *size = size_text(kind, "Size"), *reclaimable = reclaimable_text(kind);

		table_row(&table, (const char *const[]){key, total, active, size, reclaimable});
	}
	table_print(&table, stdout);
}

static int df_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *facts = NULL;
	char *text = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_system_df(ctx, &text, err);
	if (r == 0)
		r = output_parse(text, &facts, err);
	if (r < 0)
		return r;
	if (format == OUTPUT_TABLE)
		print_kinds(facts);
	else
		output_document(format, facts);
	return 0;
}

const struct command command_system_df = {
	.name = "df",
	.summary = "print what the disk is used for",
	.text = "Sizes are those of the host's disk, each byte counted once: what images share is not "
		"counted "
		"twice. What is reclaimable, 'coracle system prune -a' gives back.",
	.examples = "coracle system df\ncoracle system df --format json | jq .Images.Size",
	.groups = (const struct option_group *const[]){&output_format_group, NULL},
	.run = df_run,
};
