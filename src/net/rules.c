/* SPDX-License-Identifier: Apache-2.0 */
#include "net/rules.h"

#include "base/str.h"
#include "net/link.h"
#include "net/nft.h"
#include "net/published.h"

struct listed {
	struct net_active *items;
	struct firewall_network *rules;
	size_t count;
};

static void listed_release(struct listed *listed)
{
	for (size_t i = 0; i < listed->count; i++)
		net_active_release(&listed->items[i]);
	free(listed->items);
	free(listed->rules);
}

static void list_active(struct net_state *state, const char *without, struct listed *ret)
{
	_strv_ struct strv names = {0};
	const char *name;

	(void)net_state_names(state, &names);
	ret->items = xcalloc(names.count + 1, sizeof(*ret->items));
	ret->rules = xcalloc(names.count + 1, sizeof(*ret->rules));
	strv_foreach (&names, i, name) {
		struct net_active *active = &ret->items[ret->count];

		if (str_equal(name, without) || net_state_find(state, name, active, NULL) < 0)
			continue;
		if (!active->network.v4.family || link_index(active->bridge) < 0) {
			net_active_release(active);
			continue;
		}
		ret->rules[ret->count++] =
			(struct firewall_network){.network = &active->network, .bridge = active->bridge};
	}
}

struct publishing {
	const struct net_active *active;
	struct firewall_targets *targets;
};

static void add_published(const struct lease *lease, bool held, void *context)
{
	struct publishing *publishing = context;

	if (held)
		published_read(publishing->active->dir, &publishing->active->network, lease->number,
			       publishing->targets);
}

void rules_collect_published(const struct net_active *active, struct firewall_targets *targets)
{
	(void)lease_each(active->leases, add_published,
			 &(struct publishing){.active = active, .targets = targets});
}

static void set_published(const struct listed *listed, const char *table, json_t *commands)
{
	_cleanup_(firewall_targets_release) struct firewall_targets targets = {0};

	for (size_t i = 0; i < listed->count; i++)
		rules_collect_published(&listed->items[i], &targets);
	firewall_set_published(commands, table, targets.items, targets.count);
}

void rules_set_networks(struct net_state *state, const char *without, json_t *commands)
{
	_cleanup_(listed_release) struct listed listed = {0};
	char table[FIREWALL_TABLE_SIZE];

	net_table_name(state, table);
	list_active(state, without, &listed);
	firewall_set_networks(commands, table, listed.rules, listed.count);
	if (listed.count)
		set_published(&listed, table, commands);
	else
		firewall_remove_ports(commands, table);
}

void rules_add_port(const struct net_active *active, const struct lease *lease, const char *table,
		    json_t *commands)
{
	struct firewall_port port = {.device = lease->device,
				     .v4 = net_prefix_host(&active->network.v4, lease->number),
				     .gateway4 = net_prefix_host(&active->network.v4, NETWORK_GATEWAY)};

	memcpy(port.mac, lease->mac, sizeof(port.mac));
	if (active->network.v6.family) {
		port.v6 = net_prefix_host(&active->network.v6, lease->number);
		port.gateway6 = net_prefix_host(&active->network.v6, NETWORK_GATEWAY);
	}
	firewall_add_port(commands, table, &port);
}

struct ports {
	const struct net_active *active;
	const char *table;
	json_t *commands;
};

static void add_held(const struct lease *lease, bool held, void *context)
{
	const struct ports *ports = context;

	if (held && lease->device[0])
		rules_add_port(ports->active, lease, ports->table, ports->commands);
}

void rules_add_all_ports(struct net_state *state, const char *table, json_t *commands)
{
	_strv_ struct strv names = {0};
	const char *name;

	(void)net_state_names(state, &names);
	strv_foreach (&names, i, name) {
		struct net_active active;
		struct ports ports = {.active = &active, .table = table, .commands = commands};

		if (net_state_find(state, name, &active, NULL) < 0)
			continue;
		if (active.network.v4.family)
			(void)lease_each(active.leases, add_held, &ports);
		net_active_release(&active);
	}
}

void rules_publish(struct net_state *state, json_t *commands)
{
	_cleanup_(listed_release) struct listed listed = {0};
	char table[FIREWALL_TABLE_SIZE];

	net_table_name(state, table);
	if (!nft_has_tables(table)) {
		rules_set_networks(state, NULL, commands);
		rules_add_all_ports(state, table, commands);
		return;
	}
	list_active(state, NULL, &listed);
	set_published(&listed, table, commands);
}
