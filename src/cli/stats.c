/* SPDX-License-Identifier: Apache-2.0 */
/* stats: what containers use, and what their machines cost. Rates need two looks, a second apart; on a terminal the looks go on in place. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLEAR "\033[H\033[J"

struct row {
	char *id, *name;
	bool there; /* it runs, and answered */
	struct cor_statistics now;
	double cpu, host_cpu; /* percent of one CPU; negative: not known yet */
};

struct rows {
	struct row *items;
	size_t count;
};

static void rows_release(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->items[i].id);
		free(rows->items[i].name);
	}
	free(rows->items);
	*rows = (struct rows){0};
}

static struct row *rows_add(struct rows *rows, const char *id, const char *name)
{
	struct row *row;

	rows->items = realloc(rows->items, (rows->count + 1) * sizeof(*rows->items));
	if (!rows->items)
		abort();
	row = &rows->items[rows->count++];
	*row = (struct row){.id = text_copy(id), .name = text_copy(name), .cpu = -1, .host_cpu = -1};
	return row;
}

/* ---- looking ---- */

static double rate(uint64_t before, uint64_t now, int64_t elapsed_ns)
{
	return now < before || elapsed_ns <= 0 ? -1 : (double)(now - before) * 100 / (double)elapsed_ns;
}

/* before: the last look, or NULL. */
static void look_at(struct cor_context *ctx, struct row *row, const struct rows *before)
{
	row->there = cor_container_statistics(ctx, row->id, &row->now, NULL) == 0;
	for (size_t i = 0; row->there && before && i < before->count; i++) {
		const struct row *last = &before->items[i];

		if (!last->there || !text_same(last->id, row->id))
			continue;
		row->cpu = rate(last->now.cpu_ns, row->now.cpu_ns, row->now.at_ns - last->now.at_ns);
		row->host_cpu =
			rate(last->now.host_cpu_ns, row->now.host_cpu_ns, row->now.at_ns - last->now.at_ns);
	}
}

/* Those that run now, or all. */
static int add_all(struct cor_context *ctx, bool all, struct rows *rows, struct cor_error *err)
{
	struct cor_container_list list = {0};
	int r = cor_container_list(ctx, all, &list, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++)
		rows_add(rows, list.items[i].id, list.items[i].name);
	cor_container_list_release(&list);
	return 0;
}

static int add_named(struct cor_context *ctx, const char *ref, struct rows *rows, struct cor_error *err)
{
	_json_ json_t *document = NULL;
	const char *name;
	char *text = NULL;
	int r = cor_container_inspect(ctx, ref, &text, err);

	r = r < 0 ? r : output_parse(text, &document, err);
	if (r < 0)
		return r;
	name = json_string_value(json_object_get(document, "Name"));
	rows_add(rows, json_string_value(json_object_get(document, "Id")), text_after(name, "/") ?: name);
	return 0;
}

static int look(struct cor_context *ctx, const struct arguments *args, const struct rows *before,
		struct rows *ret, struct cor_error *err)
{
	struct rows rows = {0};
	int r = args->operand_count ? 0 : add_all(ctx, arguments_flag(args, "all", false), &rows, err);

	for (size_t i = 0; r == 0 && i < args->operand_count; i++)
		r = add_named(ctx, args->operands[i], &rows, err);
	if (r < 0) {
		rows_release(&rows);
		return r;
	}
	for (size_t i = 0; i < rows.count; i++)
		look_at(ctx, &rows.items[i], before);
	*ret = rows;
	return 0;
}

/* ---- showing ---- */

/* As docker shows them: memory in steps of 1024 with four digits, traffic in steps of 1000 with three. */
static char *short_size(uint64_t bytes, double step, int digits, const char *const *units)
{
	double value = (double)bytes;

	while (value >= step && units[1]) {
		value /= step;
		units++;
	}
	return text_format("%.*g%s", digits, value, *units);
}

static char *memory_text(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};

	return short_size(bytes, 1024, 4, units);
}

static char *pair_text(uint64_t in, uint64_t out)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", NULL};
	_text_ char *first = short_size(in, 1000, 3, units), *second = short_size(out, 1000, 3, units);

	return text_format("%s / %s", first, second);
}

static char *percent_text(double percent)
{
	return percent < 0 ? text_copy("--") : text_format("%.2f%%", percent);
}

static double memory_percent(const struct row *row)
{
	return row->now.memory_limit ? (double)row->now.memory * 100 / (double)row->now.memory_limit : -1;
}

/* The cells of a row, in the order of the table's columns. */
struct cells {
	char *cpu, *memory, *memory_percent, *network, *block, *processes, *host_cpu, *host_memory;
};

static struct cells cells_of(const struct row *row)
{
	const struct cor_statistics *now = &row->now;
	_text_ char *used = memory_text(now->memory), *limit = memory_text(now->memory_limit);

	return (struct cells){
		.cpu = percent_text(row->cpu),
		.memory = text_format("%s / %s", used, limit),
		.memory_percent = percent_text(memory_percent(row)),
		.network = pair_text(now->network_received, now->network_sent),
		.block = pair_text(now->block_read, now->block_written),
		.processes = text_format("%llu", (unsigned long long)now->processes),
		.host_cpu = percent_text(row->host_cpu),
		.host_memory = memory_text(now->host_memory),
	};
}

static void cells_release(struct cells *cells)
{
	free(cells->cpu);
	free(cells->memory);
	free(cells->memory_percent);
	free(cells->network);
	free(cells->block);
	free(cells->processes);
	free(cells->host_cpu);
	free(cells->host_memory);
}

static void print_table(const struct rows *rows, bool whole)
{
	static const char *const heads[] = {"CONTAINER ID", "NAME",    "CPU %",     "MEM USAGE / LIMIT",
					    "MEM %",        "NET I/O", "BLOCK I/O", "PIDS",
					    "HOST CPU %",   "HOST MEM"};
	_table_ struct table table = {.columns = COUNT(heads)};

	table_row(&table, heads);
	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->items[i];
		_text_ char *id = text_format("%.*s", whole ? 64 : 12, row->id);
		_cleanup_(cells_release) struct cells cells = cells_of(row);

		table_row(&table, row->there ? (const char *const[]){id, row->name, cells.cpu, cells.memory,
								     cells.memory_percent, cells.network,
								     cells.block, cells.processes,
								     cells.host_cpu, cells.host_memory}
					     : (const char *const[]){id, row->name, "--", "-- / --", "--",
								     "--", "--", "--", "--", "--"});
	}
	table_print(&table, stdout);
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number));
}

/* Docker's keys with docker's texts, then the same as numbers, and what the machine costs. */
static json_t *row_json(const struct row *row)
{
	_cleanup_(cells_release) struct cells cells = cells_of(row);
	const struct cor_statistics *now = &row->now;
	json_t *object = json_pack("{s:s, s:s, s:s, s:b}", "ID", row->id, "Container", row->id, "Name",
				   row->name, "Running", (int)row->there);

	if (!row->there)
		return object;
	json_object_update_new(object,
			       json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "CPUPerc", cells.cpu, "MemUsage",
					 cells.memory, "MemPerc", cells.memory_percent, "NetIO",
					 cells.network, "BlockIO", cells.block, "PIDs", cells.processes));
	set_number(object, "CPUNanoseconds", now->cpu_ns);
	set_number(object, "Memory", now->memory);
	set_number(object, "MemoryLimit", now->memory_limit);
	set_number(object, "NetReceived", now->network_received);
	set_number(object, "NetSent", now->network_sent);
	set_number(object, "BlockRead", now->block_read);
	set_number(object, "BlockWritten", now->block_written);
	json_object_set_new(object, "HostCPUPerc", json_string(cells.host_cpu));
	set_number(object, "HostCPUNanoseconds", now->host_cpu_ns);
	set_number(object, "HostMemory", now->host_memory);
	set_number(object, "HostPrivateMemory", now->host_private);
	return object;
}

static void print_rows(const struct arguments *args, const struct rows *rows)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);

	if (format == OUTPUT_TABLE) {
		print_table(rows, arguments_flag(args, "no-trunc", false));
	} else {
		_json_ json_t *array = json_array();

		for (size_t i = 0; i < rows->count; i++)
			json_array_append_new(array, row_json(&rows->items[i]));
		output_document(format, array);
	}
	fflush(stdout);
}

static int stats_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	bool once =
		arguments_flag(args, "no-stream", false) || output_format(args, OUTPUT_TABLE) != OUTPUT_TABLE;
	bool terminal = isatty(STDOUT_FILENO);
	_context_ struct cor_context *ctx = NULL;
	struct rows before = {0};
	int r = cor_open(NULL, &ctx, err);

	r = r < 0 ? r : look(ctx, args, NULL, &before, err);
	while (r == 0 && !ferror(stdout)) {
		struct rows now = {0};

		nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
		r = look(ctx, args, &before, &now, err);
		if (r < 0)
			break;
		if (!once && terminal)
			fputs(CLEAR, stdout);
		print_rows(args, &now);
		rows_release(&before);
		before = now;
		if (once)
			break;
	}
	rows_release(&before);
	return r;
}

static const struct option stats_options[] = {
	OPTION_ALL("also those that do not run"),
	{"no-stream", '\0', NULL, "print once and end"},
	{"no-trunc", '\0', NULL, "whole ids"},
	{0},
};
static const struct option_group stats_group = {"Options", stats_options};
const struct command command_stats = {
	.name = "stats",
	.operands = "[CONTAINER...]",
	.max = COMMAND_ANY,
	.summary = "print what containers use, each second",
	.text = "CPU, memory, traffic and processes are the container's, as its guest counts them. HOST CPU "
		"and HOST "
		"MEM are what the machine costs: its VMM and the processes beside it. Of memory that "
		"machines share "
		"each has its part (proportional set size).\n\n"
		"As JSON or YAML it prints once, also numbers; HostPrivateMemory is what would be free "
		"without the "
		"machine.",
	.examples = "coracle stats\ncoracle stats --no-stream web db\n"
		    "coracle stats --format json | jq 'map(.HostMemory) | add'",
	.groups = (const struct option_group *const[]){&stats_group, &output_format_group, NULL},
	.offer = OFFER_RUNNING,
	.run = stats_run,
};
