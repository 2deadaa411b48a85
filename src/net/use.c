/* SPDX-License-Identifier: Apache-2.0 */
#include "net/use.h"

#include "base/str.h"
#include "net/life.h"
#include "net/state.h"

#include <errno.h>

struct gathering {
	const struct network *network;
	struct net_holder *items;
	size_t count;
};

static void gather(const struct lease *lease, bool held, void *context)
{
	struct gathering *gathering = context;
	struct net_holder *holder;

	if (!held || !gathering->network->v4.family)
		return;
	gathering->items = xreallocarray(gathering->items, gathering->count + 1, sizeof(*gathering->items));
	holder = &gathering->items[gathering->count++];
	*holder = (struct net_holder){.v4 = net_prefix_host(&gathering->network->v4, lease->number)};
	memcpy(holder->id, lease->id, ID_SIZE);
	memcpy(holder->mac, lease->mac, sizeof(holder->mac));
	if (gathering->network->v6.family)
		holder->v6 = net_prefix_host(&gathering->network->v6, lease->number);
}

int net_holders(int run_dir, const char *name, struct net_holder **ret, size_t *ret_count,
		struct cor_error *err)
{
	struct gathering gathering = {0};
	struct net_active active;
	struct net_state state;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	r = net_state_find(&state, name, &active, err);
	if (r == 0) {
		gathering.network = &active.network;
		r = lease_each(active.leases, gather, &gathering);
		if (r < 0)
			cor_fail_errno(err, r, "leases of network '%s'", name);
		net_active_release(&active);
	}
	net_state_release(&state);
	if (r < 0 && r != -ENOENT) {
		free(gathering.items);
		return r;
	}
	*ret = gathering.items;
	*ret_count = gathering.count;
	return 0;
}

int net_forget(int data_dir, int run_dir, const char *name, struct cor_error *err)
{
	struct net_active active;
	struct net_state state;
	unsigned held = 0;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	if (net_state_find(&state, name, &active, NULL) == 0) {
		r = net_state_settle(&state, &active, &held, err);
		net_active_release(&active);
	}
	if (held)
		r = cor_fail(err, COR_BUSY, EBUSY, "network '%s' is in use by %u container%s", name, held,
			     held == 1 ? "" : "s");
	r = r ?: network_forget(data_dir, name, err);
	net_state_release(&state);
	return r;
}

static int repair_one(struct net_state *state, const char *name, struct net_repairs *repairs,
		      struct cor_error *err)
{
	struct net_active active;
	unsigned held = 0;
	int r = net_state_find(state, name, &active, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = net_state_settle(state, &active, &held, err);
	if (r == 0 && held)
		r = net_state_restore(state, &active, err);
	net_active_release(&active);
	repairs->networks += held > 0;
	repairs->removed += !held;
	return r;
}

int net_repair(int run_dir, struct net_repairs *ret, struct cor_error *err)
{
	struct net_repairs repairs = {0};
	_strv_ struct strv names = {0};
	struct net_state state;
	const char *name;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	r = net_state_names(&state, &names);
	if (r < 0)
		cor_fail_errno(err, r, "the state of networks");
	strv_foreach (&names, i, name)
		r = r ?: repair_one(&state, name, &repairs, err);
	net_state_release(&state);
	if (r == 0)
		*ret = repairs;
	return r;
}
