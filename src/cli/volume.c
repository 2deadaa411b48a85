/* SPDX-License-Identifier: Apache-2.0 */
/* volume create, ls, inspect, rm and prune. */
#include "cli/confirm.h"
#include "cli/inspect.h"
#include "cli/labels.h"
#include "cli/output.h"
#include "cli/prune.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/value.h"

#include <stdio.h>
#include <string.h>

/* ---- create ---- */

static int create_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_volume_options options = {
		.name = args->operand_count ? args->operands[0] : NULL,
		.labels = words_list(arguments_words(args, "label")),
		.options = words_list(arguments_words(args, "opt")),
	};
	_context_ struct cor_context *ctx = NULL;
	_returned_ char *name = NULL;
	int r = arguments_size(args, "size", &options.size, err);

	if (r == 0 && arguments_given(args, "size") && options.size == 0)
		return report_usage(err, "--size 0: a volume needs room");
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_volume_create(ctx, &options, &name, err);
	if (r == 0)
		puts(name);
	return r;
}

static const struct option create_options[] = {
	{"size", 's', "SIZE",
	 "how much it can hold, from 64m to 8t (default 256g); what is not used costs nothing"},
	{"label", 'l', "KEY=VALUE", "attach a label", .repeats = true},
	{"opt", 'o', "KEY=VALUE",
	 "journal=false: faster, and checked after a crash; shared=true: several containers write at once",
	 .repeats = true},
	{0},
};
static const struct option_group create_group = {"Options", create_options};
static const struct command volume_create = {
	.name = "create",
	.operands = "[NAME]",
	.max = 1,
	.summary = "make a volume, a disk that outlives containers",
	.text = "Prints its name; one is made up where none is given. A volume is also made by 'run -v "
		"NAME:/PATH' that "
		"finds none. One container writes to a volume at a time, or many read it (':ro').",
	.examples = "coracle volume create pgdata --size 20g\n"
		    "coracle run -d -v pgdata:/var/lib/postgresql/data postgres",
	.groups = (const struct option_group *const[]){&create_group, NULL},
	.run = create_run,
};

/* ---- ls ---- */

static json_t *volume_json(const struct cor_volume_info *info)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:o, s:o, s:o}", "Name", info->name, "Driver",
			 "local", "Size", (json_int_t)info->size, "Used", (json_int_t)info->used, "Journal",
			 (int)info->journal, "Shared", (int)info->shared, "Anonymous", (int)info->anonymous,
			 "CreatedAt", output_time(info->created_ns), "Labels", labels_json(&info->labels),
			 "Containers", output_strings(&info->containers));
}

static int check_filters(const struct words *filters, struct cor_error *err)
{
	for (size_t i = 0; i < filters->count; i++) {
		const char *filter = filters->items[i];

		if (!text_among("dangling=true dangling=false driver=local", filter) &&
		    !text_after(filter, "name=") && !text_after(filter, "label="))
			return report_usage(err,
					    "--filter '%s': there is dangling=true|false, name=TEXT, "
					    "label=KEY[=VALUE]",
					    filter);
	}
	return 0;
}

static bool is_meant(const struct cor_volume_info *info, const struct words *filters)
{
	for (size_t i = 0; i < filters->count; i++) {
		const char *filter = filters->items[i], *value;

		if ((value = text_after(filter, "name=")) && !strstr(info->name, value))
			return false;
		if ((value = text_after(filter, "label=")) && !labels_have(&info->labels, value))
			return false;
		if ((value = text_after(filter, "dangling=")) &&
		    text_same(value, "true") != (info->containers.count == 0))
			return false;
	}
	return true;
}

/* "db", "db and 2 more" */
static char *users_text(const struct cor_strings *containers)
{
	if (containers->count < 2)
		return text_copy(containers->count ? containers->items[0] : "");
	return text_format("%s and %zu more", containers->items[0], containers->count - 1);
}

static void print_table(const struct cor_volume_list *list, const struct words *filters)
{
	_table_ struct table table = {.columns = 5};
	int64_t now = value_now();

	table_row(&table, (const char *const[]){"NAME", "SIZE", "USED", "CREATED", "CONTAINERS"});
	for (size_t i = 0; i < list->count; i++) {
		const struct cor_volume_info *info = &list->items[i];
		_text_ char *size = info->shared ? text_copy("") : table_size(info->size);
		_text_ char *used = table_size(info->used), *users = users_text(&info->containers);
		_text_ char *created = table_ago(info->created_ns, now);

		if (is_meant(info, filters))
			table_row(&table, (const char *const[]){info->name, size, used, created, users});
	}
	table_print(&table, stdout);
}

static int list_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	const struct words *filters = arguments_words(args, "filter");
	_context_ struct cor_context *ctx = NULL;
	struct cor_volume_list list = {0};
	_json_ json_t *array = json_array();
	int r = check_filters(filters, err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_volume_list(ctx, &list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++) {
		if (!is_meant(&list.items[i], filters))
			continue;
		if (arguments_flag(args, "quiet", false))
			puts(list.items[i].name);
		else
			json_array_append_new(array, volume_json(&list.items[i]));
	}
	if (!arguments_flag(args, "quiet", false) && format == OUTPUT_TABLE)
		print_table(&list, filters);
	else if (!arguments_flag(args, "quiet", false))
		output_document(format, array);
	cor_volume_list_release(&list);
	return 0;
}

static const struct option list_options[] = {
	{"filter", 'f', "KEY=VALUE", "dangling=true (no container has it), name=TEXT, label=KEY[=VALUE]",
	 .repeats = true},
	{0},
};
static const struct option_group list_group = {"Options", list_options};
static const struct command volume_list = {
	.name = "ls",
	.aliases = "list",
	.summary = "list volumes",
	.text = "SIZE is what a volume can hold, USED what it takes of this host's disk.",
	.groups = (const struct option_group *const[]){&list_group, &output_list_group, NULL},
	.run = list_run,
};

/* ---- inspect ---- */

static int inspect_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return inspect_all(args, cor_volume_inspect, ret_status, err);
}

static const struct command volume_inspect = {
	.name = "inspect",
	.operands = "VOLUME...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "print all about volumes, as a JSON array",
	.examples = "coracle volume inspect pgdata | jq '.[0].Status'",
	.groups = (const struct option_group *const[]){&output_inspect_group, NULL},
	.offer = OFFER_VOLUMES,
	.run = inspect_run,
};

/* ---- rm, prune ---- */

static int remove_one(struct cor_context *ctx, const char *ref, void *force, struct cor_error *err)
{
	int r = cor_volume_remove(ctx, ref, err);

	if (r == 0)
		puts(ref);
	return r < 0 && *(bool *)force && err->status == COR_NOT_FOUND ? 0 : r;
}

static int remove_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	bool force = arguments_flag(args, "force", false);

	return context_operands(args, remove_one, &force, ret_status, err);
}

static const struct option remove_options[] = {
	{"force", 'f', NULL, "what is not there is no failure"},
	{0},
};
static const struct option_group remove_group = {"Options", remove_options};
static const struct command volume_remove = {
	.name = "rm",
	.aliases = "delete remove",
	.operands = "VOLUME...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "remove volumes that no container has",
	.text = "A container has a volume until it is removed, whether it runs or not.",
	.groups = (const struct option_group *const[]){&remove_group, NULL},
	.offer = OFFER_VOLUMES,
	.run = remove_run,
};

static int prune_fill(struct cor_volume_prune_options *options, struct words *labels,
		      const struct arguments *args, struct cor_error *err)
{
	const struct words *filters = arguments_words(args, "filter");

	options->all = arguments_flag(args, "all", false);
	for (size_t i = 0; i < filters->count; i++) {
		const char *label = text_after(filters->items[i], "label=");

		if (!label || !*label)
			return report_usage(err, "--filter '%s': there is label=KEY[=VALUE]",
					    filters->items[i]);
		words_add(labels, label);
	}
	options->labels = words_list(labels);
	return 0;
}

static int prune_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_volume_prune_options options = {0};
	_words_ struct words labels = {0};
	_context_ struct cor_context *ctx = NULL;
	struct cor_strings removed = {0};
	_text_ char *what = NULL;
	uint64_t reclaimed = 0;
	int r = prune_fill(&options, &labels, args, err);

	if (r < 0)
		return r;
	what = text_format("  - all %svolumes that no container has, and what they hold\n%s",
			   options.all ? "" : "anonymous ",
			   labels.count ? "  of them, those that --filter leaves\n" : "");
	r = confirm(args, what, err);
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_volume_prune(ctx, &options, &removed, &reclaimed, err);
	for (size_t i = 0; i < removed.count; i++)
		puts(removed.items[i]);
	cor_strings_release(&removed);
	if (r < 0)
		return r;
	prune_total(reclaimed);
	return 0;
}

static const struct option prune_options[] = {
	{"all", 'a', NULL, "also those that somebody named"},
	OPTION_FORCE,
	{"filter", '\0', "KEY=VALUE", "only those with a label (label=KEY[=VALUE])", .repeats = true},
	{0},
};
static const struct option_group prune_group = {"Options", prune_options};
static const struct command volume_prune = {
	.name = "prune",
	.summary = "remove anonymous volumes that no container has",
	.text = "What they hold is lost. Volumes that somebody named stay, unless --all is given. Asks "
		"first.",
	.examples = "coracle volume prune\ncoracle volume prune -af --filter label=stage=test",
	.groups = (const struct option_group *const[]){&prune_group, NULL},
	.run = prune_run,
};

/* ---- check ---- */

static int check_one(struct cor_context *ctx, const char *ref, void *repair, struct cor_error *err)
{
	bool repaired = false;
	int r = cor_volume_check(ctx, ref, *(bool *)repair, &repaired, err);

	if (r == 0)
		printf("%s: %s\n", ref, repaired ? "repaired" : "whole");
	return r;
}

static int check_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	bool repair = arguments_flag(args, "repair", false);

	return context_operands(args, check_one, &repair, ret_status, err);
}

static const struct option check_options[] = {
	{"repair", '\0', NULL, "make them whole again, as far as can be"},
	{0},
};
static const struct option_group check_group = {"Options", check_options};
static const struct command volume_check = {
	.name = "check",
	.operands = "VOLUME...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "look whether the file systems of volumes are whole",
	.text = "Containers check by themselves what there is reason to doubt, and do not start with a "
		"volume that is damaged. What a "
		"repair finds without a name it puts into a folder lost+found beside what containers see.",
	.groups = (const struct option_group *const[]){&check_group, NULL},
	.offer = OFFER_VOLUMES,
	.run = check_run,
};

const struct command command_volume = {
	.name = "volume",
	.summary = "make, list and remove volumes",
	.commands = (const struct command *const[]){&volume_create, &volume_list, &volume_inspect,
						    &volume_remove, &volume_prune, &volume_check, NULL},
};
