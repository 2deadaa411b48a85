/* SPDX-License-Identifier: Apache-2.0 */
#include "net/check.h"

#include "base/json.h"
#include "net/blockers.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/names.h"
#include "net/nft.h"
#include "net/state.h"

struct look {
	net_problem_fn *tell;
	void *context;
	const json_t *ruleset;
	const char *table;
	char what[16 + NETWORK_NAME_MAX];
	unsigned held, dead, up, unruled;
};

static void found(const struct look *look, const char *problem, bool repairable)
{
	look->tell(look->what, problem, repairable, look->context);
}

/* True if the rule set has that chain in a table of ours. */
static bool has_chain(const struct look *look, const char *family, const char *name)
{
	const json_t *object;
	size_t i;

	json_array_foreach (json_object_get(look->ruleset, "nftables"), i, object) {
		const json_t *chain = json_object_get(object, "chain");

		if (chain && str_equal(json_string_value(json_object_get(chain, "family")), family) &&
		    str_equal(json_string_value(json_object_get(chain, "table")), look->table) &&
		    str_equal(json_string_value(json_object_get(chain, "name")), name))
			return true;
	}
	return false;
}

static void look_at_lease(const struct lease *lease, bool held, void *context)
{
	struct look *look = context;

	look->held += held;
	look->dead += !held;
	/* One that is down is on its way in or out. */
	if (!held || !link_is_up(lease->device))
		return;
	look->up++;
	look->unruled += !has_chain(look, "bridge", lease->device);
}

static void look_at_blocker(const struct blocker *blocker, void *context)
{
	_free_ char *problem = str_format("the chain '%s' of the table '%s %s' drops what goes through: %s",
					  blocker->chain, blocker->family, blocker->table, blocker->remedy);

	found(context, problem, false);
}

static void look_at(struct look *look, const struct net_active *active)
{
	snprintf(look->what, sizeof(look->what), "network %s", active->network.name);
	look->held = look->dead = look->up = look->unruled = 0;
	(void)lease_each(active->leases, look_at_lease, look);
	if (look->dead)
		found(look, "addresses are kept that nobody has any more", true);
	if (!look->held) {
		found(look, "it is up, and no container is in it", true);
		return;
	}
	if (link_index(active->bridge) < 0)
		found(look, "its bridge is gone", true);
	if (look->unruled || (look->up && !has_chain(look, "inet", "forward")))
		found(look, "its firewall rules are gone", true);
	if (look->up && !names_alive(active->dir))
		found(look, "its name server does not run", true);
	if (!active->network.internal)
		blockers_find(look->ruleset, look->table, active->bridge, look_at_blocker, look);
}

static int look_at_all(struct net_state *state, struct look *look, struct cor_error *err)
{
	_strv_ struct strv names = {0};
	_json_ json_t *ruleset = NULL;
	const char *name;
	int r = net_state_names(state, &names);

	if (r < 0)
		return cor_fail_errno(err, r, "the state of networks");
	r = names.count ? nft_list(&ruleset, err) : 0;
	look->ruleset = ruleset;
	strv_foreach (&names, i, name) {
		struct net_active active;

		if (r < 0 || net_state_find(state, name, &active, NULL) < 0)
			continue;
		look_at(look, &active);
		net_active_release(&active);
	}
	return r;
}

int net_look(int run_dir, net_problem_fn *tell, void *context, struct cor_error *err)
{
	char table[FIREWALL_TABLE_SIZE];
	struct look look = {.tell = tell, .context = context, .table = table};
	struct net_state state;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	net_table_name(&state, table);
	r = look_at_all(&state, &look, err);
	net_state_release(&state);
	return r;
}
