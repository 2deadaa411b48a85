/* SPDX-License-Identifier: Apache-2.0 */
/* system dns: whether the host itself finds containers by name. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/table.h"
#include "coracle/network.h"

#include <stdint.h>
#include <stdio.h>

static int create_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const char *domain = args->operand_count ? args->operands[0] : "coracle";
	_context_ struct cor_context *ctx = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_dns_create(ctx, domain, err);
	if (r == 0)
		puts(domain);
	return r;
}

static const struct command dns_create = {
	.name = "create",
	.operands = "[DOMAIN]",
	.max = 1,
	.summary = "let the host find containers by name",
	.text = "systemd-resolved is told to ask the name servers of all networks of the domain (default: "
		"coracle), those that there are and those that come.\n\n"
		"On a host without systemd-resolved, its own resolver has to be told. For dnsmasq that is a "
		"line "
		"server=/coracle/ADDRESS; for a resolver that knows no such rules, ADDRESS is the first "
		"nameserver of resolv.conf. 'coracle system dns ls' names the addresses; they answer while a "
		"container is in the network, and forward other names.",
	.examples = "coracle system dns create\ncurl http://web.coracle/",
	.run = create_run,
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void print_table(const json_t *list)
{
	_table_ struct table table = {.columns = 5};
	json_t *item;
	size_t i;

	table_row(&table, (const char *const[]){"DOMAIN", "NETWORK", "SERVER", "SERVER V6", "RESOLVED"});
	json_array_foreach ((json_t *)(uintptr_t)list, i, item)
		table_row(&table, (const char *const[]){
					  text_of(item, "Domain"), text_of(item, "Network"),
					  text_of(item, "Server"), text_of(item, "ServerV6"),
					  json_is_true(json_object_get(item, "Resolved")) ? "yes" : "no"});
	table_print(&table, stdout);
}

static int list_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *list = NULL;
	char *text = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_dns_list(ctx, &text, err);
	if (r == 0)
		r = output_parse(text, &list, err);
	if (r < 0)
		return r;
	if (format == OUTPUT_TABLE)
		print_table(list);
	else
		output_document(format, list);
	return 0;
}

static const struct command dns_list = {
	.name = "ls",
	.aliases = "list",
	.summary = "list name servers, and whether the host asks them",
	.groups = (const struct option_group *const[]){&output_format_group, NULL},
	.run = list_run,
};

static int remove_one(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err)
{
	int r = cor_dns_remove(ctx, ref, err);

	if (r == 0)
		puts(ref);
	return r;
}

static int remove_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return context_operands(args, remove_one, NULL, ret_status, err);
}

static const struct command dns_remove = {
	.name = "rm",
	.aliases = "delete remove",
	.operands = "DOMAIN...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "let the host not find containers by name any more",
	.run = remove_run,
};

const struct command command_system_dns = {
	.name = "dns",
	.summary = "names of containers for the host itself",
	.commands = (const struct command *const[]){&dns_create, &dns_list, &dns_remove, NULL},
};
