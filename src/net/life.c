/* SPDX-License-Identifier: Apache-2.0 */
/* A network comes up, gets its rules, is mended and goes down; see net/state.h for what is where. */
#include "net/life.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "net/bridge.h"
#include "net/link.h"
#include "net/names.h"
#include "net/nft.h"
#include "net/resolved.h"
#include "net/rules.h"
#include "net/sweep.h"

#include <errno.h>

#define RULED    "ruled" /* a file that says that the table of networks has this one */
#define RESOLVED "resolved"

/* Somebody took the bridge away under those who used it: they get the new one. */
static void reattach(struct net_state *state, struct net_active *active, const struct sweep *sweep)
{
	int bridge = link_index(active->bridge);

	for (size_t i = 0; i < sweep->count; i++) {
		int index = sweep->held[i].device[0] ? link_index(sweep->held[i].device) : -ENODEV;

		if (index > 0 && link_join_bridge(state->netlink, index, bridge, 0) == 0)
			(void)link_pin(state->netlink, index, sweep->held[i].mac);
		(void)net_state_introduce(state, active, &sweep->held[i], true);
		if (sweep->held[i].device[0])
			rules_add_port(active, &sweep->held[i], sweep->table, sweep->commands);
	}
}

static int bring_up(struct net_state *state, struct net_active *active, const struct sweep *sweep,
		    struct cor_error *err)
{
	int r = net_active_write(active, err);

	r = r ?: bridge_check_routes(state, active, err);
	r = r ?: bridge_make(state, active, err);
	if (r < 0)
		return r;
	reattach(state, active, sweep);
	unlinkat(active->dir, RULED, 0);
	return 0;
}

static int copy_network(const struct network *from, struct network *to)
{
	_json_ json_t *document = network_to_json(from);

	network_release(to);
	return document ? network_parse(document, to) : -EINVAL;
}

static int up(struct net_state *state, const struct network *network, struct net_active *active,
	      struct cor_error *err)
{
	_cleanup_(sweep_release) struct sweep sweep = {0};
	int r = sweep_leases(state, active, &sweep);

	if (r < 0)
		return cor_fail_errno(err, r, "leases");
	/* While somebody is there it stays as it was, whatever the record says now. */
	if (!sweep.count || net_active_read(active->dir, network->name, &active->network) < 0)
		r = copy_network(network, &active->network);
	if (r == 0 && (!sweep.count || link_index(active->bridge) < 0))
		r = bring_up(state, active, &sweep, err);
	/* What is seldom there: rules of the dead, and of those whose bridge was taken away. */
	if (r == 0 && sweep.published)
		rules_publish(state, sweep.commands);
	if (r == 0 && json_array_size(sweep.commands))
		r = nft_apply(sweep.commands, state->lock, err);
	if (r == 0)
		sweep_forget(&sweep);
	return r;
}

int net_state_up(struct net_state *state, const struct network *network, struct net_active *ret,
		 struct cor_error *err)
{
	struct net_active active;
	int r = net_active_open(state, network->name, true, &active);

	if (r < 0)
		return cor_fail_errno(err, r, "network '%s'", network->name);
	r = up(state, network, &active, err);
	if (r == 0) {
		*ret = active;
		return 0;
	}
	(void)net_state_settle(state, &active, &(unsigned){0}, NULL);
	net_active_release(&active);
	return cor_context(err, r, "network '%s'", network->name);
}

static bool is_marked(const struct net_active *active, const char *mark)
{
	return faccessat(active->dir, mark, F_OK, 0) == 0;
}

static void set_mark(const struct net_active *active, const char *mark)
{
	_fd_ int fd = openat(active->dir, mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	(void)fd;
}

void net_state_wish_resolved(const struct net_active *active, bool wished)
{
	if (wished)
		set_mark(active, RESOLVED);
	else
		unlinkat(active->dir, RESOLVED, 0);
}

static void tell_resolved(const struct net_active *active)
{
	struct cor_error err;

	if (is_marked(active, RESOLVED) && resolved_tell(active->bridge, &active->network, &err) < 0)
		log_warning("network '%s': the host does not resolve its names: %s", active->network.name,
			    err.msg);
}

int net_state_rule(struct net_state *state, struct net_active *active, json_t *commands, int *ret_names,
		   struct cor_error *err)
{
	bool is_new = !is_marked(active, RULED), is_flushed;
	char table[FIREWALL_TABLE_SIZE];
	int r;

	net_table_name(state, table);
	/* Somebody flushed all rules, or there were none. To write them each time would cost 10 ms: the kernel waits for all processors when chains of hooks go. */
	is_flushed = !nft_has_tables(table);
	if (is_new || is_flushed)
		rules_set_networks(state, NULL, commands);
	if (is_flushed)
		rules_add_all_ports(state, table, commands);
	r = nft_apply(commands, state->lock, err);
	if (r < 0)
		return cor_context(err, r, "network '%s'", active->network.name);
	set_mark(active, RULED);
	*ret_names = names_start(active->dir, &active->network, active->bridge);
	if (is_new)
		tell_resolved(active);
	return 0;
}

int net_state_restore(struct net_state *state, struct net_active *active, struct cor_error *err)
{
	_cleanup_(sweep_release) struct sweep sweep = {0};
	int r = sweep_leases(state, active, &sweep);

	if (r < 0)
		cor_fail_errno(err, r, "leases");
	else if (link_index(active->bridge) < 0)
		r = bridge_make(state, active, err);
	if (r == 0) {
		reattach(state, active, &sweep);
		rules_set_networks(state, NULL, sweep.commands);
		r = nft_apply(sweep.commands, state->lock, err);
	}
	if (r == 0)
		sweep_forget(&sweep);
	if (r < 0)
		return cor_context(err, r, "network '%s'", active->network.name);
	(void)names_start(active->dir, &active->network, active->bridge);
	tell_resolved(active);
	return 0;
}

/* The folder goes last: as long as it is there, whoever comes next carries on from wherever this was cut short. */
static int take_down(struct net_state *state, struct net_active *active, struct sweep *sweep,
		     struct cor_error *err)
{
	_free_ char *path = str_format("n/%s", active->network.name);
	int r;

	names_stop(active->dir);
	rules_set_networks(state, active->network.name, sweep->commands);
	r = nft_apply(sweep->commands, state->lock, err);
	if (r < 0)
		return r;
	sweep_forget(sweep);
	r = link_remove(state->netlink, active->bridge);
	r = r ?: tree_remove(state->dir, path);
	return r < 0 ? cor_fail_errno(err, r, "network '%s'", active->network.name) : 0;
}

int net_state_settle(struct net_state *state, struct net_active *active, unsigned *ret_held,
		     struct cor_error *err)
{
	_cleanup_(sweep_release) struct sweep sweep = {0};
	int r = sweep_leases(state, active, &sweep);

	*ret_held = (unsigned)sweep.count;
	if (r < 0)
		return cor_fail_errno(err, r, "network '%s'", active->network.name);
	if (!*ret_held)
		return take_down(state, active, &sweep, err);
	if (sweep.published)
		rules_publish(state, sweep.commands);
	r = json_array_size(sweep.commands) ? nft_apply(sweep.commands, state->lock, err) : 0;
	if (r == 0)
		sweep_forget(&sweep);
	return r;
}
