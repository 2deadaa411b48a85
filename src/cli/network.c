/* SPDX-License-Identifier: Apache-2.0 */
/* network create, ls, inspect, rm and prune. */
#include "cli/confirm.h"
#include "cli/inspect.h"
#include "cli/labels.h"
#include "cli/output.h"
#include "cli/prune.h"
#include "cli/table.h"
#include "coracle/network.h"

#include <stdio.h>

/* ---- create ---- */

static int create_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_network_options options = {
		.name = args->operands[0],
		.subnet = arguments_text(args, "subnet"),
		.subnet_v6 = arguments_text(args, "subnet-v6"),
		.domain = arguments_text(args, "domain"),
		.internal = arguments_flag(args, "internal", false),
		.labels = words_list(arguments_words(args, "label")),
		.allow_host = words_list(arguments_words(args, "allow-host")),
	};
	_context_ struct cor_context *ctx = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_network_create(ctx, &options, err);
	if (r == 0)
		puts(options.name);
	return r;
}

static const struct option create_options[] = {
	{"subnet", '\0', "ADDRESS/LENGTH", "the IPv4 subnet; one that is free is chosen otherwise"},
	{"subnet-v6", '\0', "ADDRESS/64", "the IPv6 subnet; a private one is made up otherwise"},
	{"domain", '\0', "NAME", "the domain of its containers' names (default: coracle)"},
	{"internal", '\0', NULL, "no way out of the network"},
	{"allow-host", '\0', "PORT[/udp]",
	 "let its containers reach a service of the host, at host.coracle; 'all' lets them reach every one",
	 .repeats = true},
	{"label", 'l', "KEY=VALUE", "attach a label", .repeats = true},
	{0},
};
static const struct option_group create_group = {"Options", create_options};
static const struct command network_create = {
	.name = "create",
	.operands = "NAME",
	.min = 1,
	.max = 1,
	.summary = "make a network with subnets of its own",
	.text = "Containers of one network reach each other by name; those of different networks do not "
		"reach each "
		"other. A subnet that overlaps a route of the host or another network is refused.",
	.examples = "coracle network create backend --internal\n"
		    "coracle run -d --name db --network backend postgres\n"
		    "coracle network create tools --allow-host 5432 --allow-host 514/udp",
	.groups = (const struct option_group *const[]){&create_group, NULL},
	.run = create_run,
};

/* ---- ls ---- */

static json_t *network_json(const struct cor_network_info *info)
{
	json_t *object = json_object();

	json_object_set_new(object, "Name", json_string(info->name));
	json_object_set_new(object, "Subnet", json_string(info->subnet));
	json_object_set_new(object, "SubnetV6", json_string(info->subnet_v6));
	json_object_set_new(object, "Domain", json_string(info->domain));
	json_object_set_new(object, "Internal", json_boolean(info->internal));
	json_object_set_new(object, "Containers", json_integer(info->containers));
	json_object_set_new(object, "Created", output_time(info->created_ns));
	json_object_set_new(object, "Labels", labels_json(&info->labels));
	return object;
}

static void print_table(const struct cor_network_list *list)
{
	_table_ struct table table = {.columns = 5};

	table_row(&table, (const char *const[]){"NAME", "SUBNET", "SUBNET V6", "CONTAINERS", "INTERNAL"});
	for (size_t i = 0; i < list->count; i++) {
		const struct cor_network_info *info = &list->items[i];
		_text_ char *count = text_format("%u", info->containers);

		table_row(&table, (const char *const[]){info->name, info->subnet, info->subnet_v6, count,
							info->internal ? "yes" : "no"});
	}
	table_print(&table, stdout);
}

static int list_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	_context_ struct cor_context *ctx = NULL;
	struct cor_network_list list = {0};
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_network_list(ctx, &list, err);
	if (r < 0)
		return r;
	if (arguments_flag(args, "quiet", false)) {
		for (size_t i = 0; i < list.count; i++)
			puts(list.items[i].name);
	} else if (format == OUTPUT_TABLE) {
		print_table(&list);
	} else {
		_json_ json_t *array = json_array();

		for (size_t i = 0; i < list.count; i++)
			json_array_append_new(array, network_json(&list.items[i]));
		output_document(format, array);
	}
	cor_network_list_release(&list);
	return 0;
}

static const struct command network_list = {
	.name = "ls",
	.aliases = "list",
	.summary = "list networks",
	.groups = (const struct option_group *const[]){&output_list_group, NULL},
	.run = list_run,
};

/* ---- inspect ---- */

static int inspect_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return inspect_all(args, cor_network_inspect, ret_status, err);
}

static const struct command network_inspect = {
	.name = "inspect",
	.operands = "NETWORK...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "print all about networks, as a JSON array",
	.examples = "coracle network inspect default | jq '.[0].Containers'",
	.groups = (const struct option_group *const[]){&output_inspect_group, NULL},
	.run = inspect_run,
};

/* ---- rm, prune ---- */

static int remove_one(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err)
{
	int r = cor_network_remove(ctx, ref, err);

	if (r == 0)
		puts(ref);
	return r;
}

static int remove_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return context_operands(args, remove_one, NULL, ret_status, err);
}

static const struct command network_remove = {
	.name = "rm",
	.aliases = "delete remove",
	.operands = "NETWORK...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "remove networks that no container is in",
	.run = remove_run,
};

static int prune_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	struct cor_strings removed = {0};
	int r = confirm(args, "  - all networks but 'default' that no container names\n", err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_network_prune(ctx, &removed, err);
	for (size_t i = 0; r == 0 && i < removed.count; i++)
		puts(removed.items[i]);
	cor_strings_release(&removed);
	return r;
}

static const struct option prune_options[] = {
	OPTION_FORCE,
	{0},
};
static const struct option_group prune_group = {"Options", prune_options};
static const struct command network_prune = {
	.name = "prune",
	.summary = "remove the networks that no container names",
	.text = "The default network stays.",
	.groups = (const struct option_group *const[]){&prune_group, NULL},
	.run = prune_run,
};

const struct command command_network = {
	.name = "network",
	.summary = "make, list and remove networks",
	.commands = (const struct command *const[]){&network_create, &network_list, &network_inspect,
						    &network_remove, &network_prune, NULL},
};
