/* SPDX-License-Identifier: Apache-2.0 */
/* system pool: machines that wait for containers. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/value.h"
#include "coracle/container.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_DIGITS 4

static int parse_size(const char *text, unsigned *ret, struct cor_error *err)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] || digits > SIZE_MAX_DIGITS)
		return report_usage(err, "'%s' is no number of machines", text);
	*ret = (unsigned)strtoul(text, NULL, 10);
	return 0;
}

static int set(struct cor_context *ctx, const struct arguments *args, struct cor_error *err)
{
	const char *cpus = arguments_text(args, "cpus"), *memory = arguments_text(args, "memory");
	struct cor_container_options wanted = {0};
	unsigned size = 0;
	int r = parse_size(args->operands[0], &size, err);

	if (r == 0 && cpus && value_cpus(cpus, &wanted.cpus) < 0)
		return report_usage(err, "--cpus '%s': must be a number such as 2", cpus);
	if (r == 0 && memory && value_size(memory, &wanted.memory) < 0)
		return report_usage(err, "--memory '%s': must be a size such as 512m or 2g", memory);
	return r < 0 ? r : cor_pool_set(ctx, size, wanted.cpus, wanted.memory, err);
}

static char *size_of(const json_t *facts, const char *key)
{
	return table_size((uint64_t)json_integer_value(json_object_get(facts, key)));
}

static void print_table(const json_t *facts)
{
	_table_ struct table table = {.columns = 6};
	_text_ char *size =
		text_format("%lld", (long long)json_integer_value(json_object_get(facts, "size")));
	_text_ char *ready =
		text_format("%lld", (long long)json_integer_value(json_object_get(facts, "ready")));
	_text_ char *starting =
		text_format("%lld", (long long)json_integer_value(json_object_get(facts, "starting")));
	_text_ char *cpus =
		text_format("%lld", (long long)json_integer_value(json_object_get(facts, "cpus")));
	_text_ char *memory = size_of(facts, "memory"), *used = size_of(facts, "memoryUsed");

	table_row(&table, (const char *const[]){"SIZE", "READY", "STARTING", "CPUS", "MEMORY", "USED"});
	table_row(&table, (const char *const[]){size, ready, starting, cpus, memory, used});
	table_print(&table, stdout);
}

static int pool_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *facts = NULL;
	char *text = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0 && args->operand_count)
		return set(ctx, args, err);
	r = r ?: cor_pool_status(ctx, &text, err);
	r = r ?: output_parse(text, &facts, err);
	if (r < 0)
		return r;
	if (format == OUTPUT_TABLE)
		print_table(facts);
	else
		output_document(format, facts);
	return 0;
}

static const struct option options[] = {
	{"cpus", 'c', "NUMBER", "virtual CPUs of each; default: those of 'run'"},
	{"memory", 'm', "SIZE", "memory of each; default: that of 'run'"},
	{0},
};

static const struct option_group pool_options = {"Options", options};

const struct command command_system_pool = {
	.name = "pool",
	.operands = "[SIZE]",
	.max = 1,
	.summary = "print or set how many machines wait for a container",
	.text = "A machine that waits has booted and has rehearsed the start of a container; one that takes "
		"it "
		"starts at once, and another machine takes its place a little later. 0, as in the beginning, "
		"ends those that wait.\n\n"
		"They are for containers with the CPUs and the memory given here, without networks "
		"(--network "
		"none), volumes, shared directories and sockets, a read-only root, and a kernel, kernel "
		"arguments, init image or accelerator of their own. All others start as ever. 'coracle "
		"inspect' "
		"tells where a container's machine came from (State.FromPool).",
	.examples =
		"coracle system pool 2\ncoracle run --rm --network none busybox true\ncoracle system pool 0",
	.groups = (const struct option_group *const[]){&pool_options, &output_format_group, NULL},
	.run = pool_run,
};
