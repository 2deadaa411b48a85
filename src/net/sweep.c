/* SPDX-License-Identifier: Apache-2.0 */
#include "net/sweep.h"

#include "base/str.h"
#include "net/names.h"

static void sweep_one(const struct lease *lease, bool held, void *context)
{
	struct sweep *sweep = context;
	char file[12];

	if (held) {
		sweep->held = xreallocarray(sweep->held, sweep->count + 1, sizeof(*sweep->held));
		sweep->held[sweep->count++] = *lease;
		return;
	}
	if (lease->device[0]) {
		firewall_remove_port(sweep->commands, sweep->table, lease->device);
		(void)net_state_introduce(sweep->state, sweep->active, lease, false);
	}
	snprintf(file, sizeof(file), "%u", lease->number);
	names_remove(sweep->active->dir, file);
	sweep->published |= published_is(sweep->active->dir, lease->number);
	sweep->dead = xreallocarray(sweep->dead, sweep->dead_count + 1, sizeof(*sweep->dead));
	sweep->dead[sweep->dead_count++] = lease->number;
}

int sweep_leases(struct net_state *state, struct net_active *active, struct sweep *ret)
{
	*ret = (struct sweep){.state = state, .active = active, .commands = json_array()};
	net_table_name(state, ret->table);
	return lease_each(active->leases, sweep_one, ret);
}

void sweep_forget(struct sweep *sweep)
{
	for (size_t i = 0; i < sweep->dead_count; i++) {
		published_forget(sweep->active->dir, &sweep->active->network, sweep->dead[i]);
		lease_forget(sweep->active->leases, sweep->dead[i]);
	}
	sweep->dead_count = 0;
}

void sweep_release(struct sweep *sweep)
{
	json_decref(sweep->commands);
	free(sweep->held);
	free(sweep->dead);
}
