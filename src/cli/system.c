/* SPDX-License-Identifier: Apache-2.0 */
/* system info and version; df, prune and check have files of their own. The table of info prints whatever facts the library has, so that a new fact
 * needs no change here. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/utsname.h>

/* A row for every member; those of an object are indented below its name. */
static void add_facts(struct table *table, const json_t *object, int depth)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		_text_ char *name = text_format("%*s%s", 2 * depth, "", key);
		_text_ char *text = NULL;

		if (json_is_object(value)) {
			table_row(table, (const char *const[]){name, ""});
			add_facts(table, value, depth + 1);
			continue;
		}
		if (json_is_string(value)) {
			text = text_copy(json_string_value(value));
		} else {
			char *dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));

			text = text_copy(dumped ? dumped : "");
			free(dumped);
		}
		table_row(table, (const char *const[]){name, text});
	}
}

static void print_facts(const struct arguments *args, const json_t *facts)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	_table_ struct table table = {.columns = 2};

	if (format != OUTPUT_TABLE) {
		output_document(format, facts);
		return;
	}
	add_facts(&table, facts, 0);
	table_print(&table, stdout);
}

static int info_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *facts = NULL;
	char *text = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_system_info(ctx, &text, err);
	if (r == 0)
		r = output_parse(text, &facts, err);
	if (r == 0)
		print_facts(args, facts);
	return r;
}

static const struct command system_info = {
	.name = "info",
	.summary = "print facts about this host and installation",
	.text = "Among them the accelerator that machines get, and why. It is measured once after each boot "
		"of the host.",
	.groups = (const struct option_group *const[]){&output_format_group, NULL},
	.run = info_run,
};

static int version_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_json_ json_t *facts = json_object();
	struct utsname host;

	uname(&host);
	json_object_set_new(facts, "coracle", json_string(CORACLE_VERSION));
	json_object_set_new(facts, "libcoracle", json_string(cor_version()));
	json_object_set_new(facts, "os", json_string(host.sysname));
	json_object_set_new(facts, "architecture", json_string(host.machine));
	print_facts(args, facts);
	return 0;
}

static const struct command system_version = {
	.name = "version",
	.summary = "print the versions of the command and of its library",
	.groups = (const struct option_group *const[]){&output_format_group, NULL},
	.run = version_run,
};

extern const struct command command_system_df, command_system_prune, command_system_check, command_system_dns,
	command_system_pool;

const struct command command_system = {
	.name = "system",
	.summary = "facts about this installation, its disk, and order on it",
	.commands = (const struct command *const[]){&system_info, &command_system_df, &command_system_prune,
						    &command_system_check, &command_system_dns,
						    &command_system_pool, &system_version, NULL},
};
