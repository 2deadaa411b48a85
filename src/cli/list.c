/* SPDX-License-Identifier: Apache-2.0 */
/* ls: the containers that there are. */
#include "cli/context.h"
#include "cli/labels.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/value.h"

#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {[COR_CREATED] = "created",
					   [COR_RUNNING] = "running",
					   [COR_EXITED] = "exited",
					   [COR_DAMAGED] = "damaged"};

static json_t *container_json(const struct cor_container_info *info)
{
	json_t *object = json_object();
	bool exited = info->status == COR_EXITED;

	json_object_set_new(object, "Id", json_string(info->id));
	json_object_set_new(object, "Name", json_string(info->name));
	json_object_set_new(object, "Image", json_string(info->image));
	json_object_set_new(object, "ImageID", json_string(info->image_id));
	json_object_set_new(object, "Command", json_string(info->command));
	json_object_set_new(object, "State", json_string(status_names[info->status]));
	json_object_set_new(object, "ExitCode", exited ? json_integer(info->exit_code) : json_null());
	json_object_set_new(object, "CreatedAt", output_time(info->created_ns));
	json_object_set_new(object, "StartedAt", output_time(info->started_ns));
	json_object_set_new(object, "FinishedAt", output_time(info->finished_ns));
	json_object_set_new(object, "Address", json_string(info->address ? info->address : ""));
	json_object_set_new(object, "Ports", json_string(info->ports ? info->ports : ""));
	json_object_set_new(object, "AutoRemove", json_boolean(info->auto_remove));
	json_object_set_new(object, "Labels", labels_json(&info->labels));
	return object;
}

/* "running since 2 hours ago" reads badly, so: "Up 2 hours", as docker's hands know it. */
static char *status_text(const struct cor_container_info *info, int64_t now)
{
	_text_ char *ago = NULL;

	switch (info->status) {
	case COR_RUNNING:
		ago = table_ago(info->started_ns, now);
		if (!strstr(ago, " ago"))
			return text_copy("Up");
		*strstr(ago, " ago") = '\0';
		return text_format("Up %s", ago);
	case COR_EXITED:
		ago = table_ago(info->finished_ns, now);
		return text_format("Exited (%d) %s", info->exit_code, ago);
	case COR_DAMAGED:
		return text_copy("Damaged");
	default:
		return text_copy("Created");
	}
}

/* ---- filters ---- */

static int check_filters(const struct words *filters, struct cor_error *err)
{
	for (size_t i = 0; i < filters->count; i++) {
		const char *filter = filters->items[i], *status = text_after(filter, "status=");

		if (status ? !text_among("created running exited damaged", status)
			   : !text_after(filter, "name=") && !text_after(filter, "label="))
			return report_usage(err,
					    "--filter '%s': there is name=TEXT, label=KEY[=VALUE], "
					    "status=created|running|exited|damaged",
					    filter);
	}
	return 0;
}

static bool fits(const struct cor_container_info *info, const char *filter)
{
	const char *name = text_after(filter, "name="), *status = text_after(filter, "status=");

	if (name)
		return strstr(info->name, name);
	return status ? text_same(status, status_names[info->status])
		      : labels_have(&info->labels, filter + strlen("label="));
}

/* Of several names, or states, one is enough; of labels all are wanted. So docker has it. */
static bool is_meant(const struct cor_container_info *info, const struct words *filters)
{
	for (size_t i = 0; i < filters->count; i++) {
		const char *filter = filters->items[i];
		size_t key = strcspn(filter, "=");
		bool any = fits(info, filter);

		for (size_t j = 0; !any && *filter != 'l' && j < filters->count; j++)
			any = strncmp(filter, filters->items[j], key + 1) == 0 &&
			      fits(info, filters->items[j]);
		if (!any)
			return false;
	}
	return true;
}

/* Who asks for a state means also those that do not run. */
static bool wants_all(const struct arguments *args)
{
	const struct words *filters = arguments_words(args, "filter");
	bool all = arguments_flag(args, "all", false);

	for (size_t i = 0; i < filters->count; i++)
		all |= text_after(filters->items[i], "status=") != NULL;
	return all;
}

/* ---- ls ---- */

static void print_table(const struct cor_container_list *list, bool whole)
{
	_table_ struct table table = {.columns = 8};
	int64_t now = value_now();

	table_row(&table, (const char *const[]){"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS",
						"ADDRESS", "PORTS", "NAME"});
	for (size_t i = 0; i < list->count; i++) {
		const struct cor_container_info *info = &list->items[i];
		bool cut = !whole && strlen(info->command) > 30;
		_text_ char *id = text_format("%.*s", whole ? 64 : 12, info->id);
		_text_ char *command = text_format("\"%.*s%s\"", cut ? 27 : (int)strlen(info->command),
						   info->command, cut ? "..." : "");
		_text_ char *created = table_ago(info->created_ns, now);
		_text_ char *status = status_text(info, now);

		table_row(&table, (const char *const[]){id, info->image, command, created, status,
							info->address ? info->address : "",
							info->ports ? info->ports : "", info->name});
	}
	table_print(&table, stdout);
}

static void print_ids(const struct cor_container_list *list, bool whole)
{
	for (size_t i = 0; i < list->count; i++)
		printf("%.*s\n", whole ? 64 : 12, list->items[i].id);
}

static void print_json(enum output_format format, const struct cor_container_list *list)
{
	_json_ json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, container_json(&list->items[i]));
	output_document(format, array);
}

static int list_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	const struct words *filters = arguments_words(args, "filter");
	bool whole = arguments_flag(args, "no-trunc", false);
	_context_ struct cor_context *ctx = NULL;
	struct cor_container_list list = {0}, meant = {0};
	int r = check_filters(filters, err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_container_list(ctx, wants_all(args), &list, err);
	if (r < 0)
		return r;
	meant.items = memory_new(list.count, sizeof(*meant.items));
	for (size_t i = 0; i < list.count; i++)
		if (is_meant(&list.items[i], filters))
			meant.items[meant.count++] = list.items[i];
	if (arguments_flag(args, "quiet", false))
		print_ids(&meant, whole);
	else if (format == OUTPUT_TABLE)
		print_table(&meant, whole);
	else
		print_json(format, &meant);
	free(meant.items);
	cor_container_list_release(&list);
	return 0;
}

static const struct option list_options[] = {
	OPTION_ALL("also those that do not run"),
	{"filter", 'f', "KEY=VALUE", "name=TEXT, label=KEY[=VALUE], status=created|running|exited|damaged",
	 .repeats = true},
	{"no-trunc", '\0', NULL, "whole ids and commands"},
	{0},
};
static const struct option_group list_group = {"Options", list_options};
const struct command command_list = {
	.name = "ls",
	.aliases = "list ps",
	.summary = "list containers, newest first",
	.examples = "coracle ls -a\ncoracle rm $(coracle ls -q --filter status=exited)\ncoracle ls --format "
		    "json | jq -r '.[].Name'",
	.groups = (const struct option_group *const[]){&list_group, &output_list_group, NULL},
	.run = list_run,
};
