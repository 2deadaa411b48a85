/* SPDX-License-Identifier: Apache-2.0 */
#include "net/check.h"

#include "base/json.h"
#include "net/blockers.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/names.h"
#include "net/nft.h"
#include "net/rules.h"
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
		found(look, names_usable() ? "its name server does not run" : NAMES_LACK, names_usable());
	if (!active->network.internal)
		blockers_find(look->ruleset, look->table, active->bridge, look_at_blocker, look);
}

/* The elements of a map or a set of ours; NULL where there are none. */
static const json_t *elements_of(const struct look *look, const char *name)
{
	const json_t *object;
	size_t i;

	json_array_foreach (json_object_get(look->ruleset, "nftables"), i, object) {
		const json_t *map = json_object_get(object, "map") ?: json_object_get(object, "set");

		if (map && str_equal(json_string_value(json_object_get(map, "family")), "inet") &&
		    str_equal(json_string_value(json_object_get(map, "table")), look->table) &&
		    str_equal(json_string_value(json_object_get(map, "name")), name))
			return json_object_get(map, "elem");
	}
	return NULL;
}

static bool has_element(const json_t *elements, const json_t *wanted)
{
	const json_t *element;
	size_t i;

	json_array_foreach (elements, i, element)
		if (json_equal(element, wanted))
			return true;
	return false;
}

static bool are_published(const struct look *look, const struct firewall_targets *targets)
{
	json_t *wanted;
	const char *name;

	for (size_t n = 0; (wanted = firewall_published_elements(n, targets->items, targets->count, &name));
	     n++) {
		const json_t *there = elements_of(look, name), *element;
		bool same = json_array_size(there) == json_array_size(wanted);
		size_t i;

		json_array_foreach (wanted, i, element)
			same = same && has_element(there, element);
		json_decref(wanted);
		if (!same)
			return false;
	}
	return true;
}

static int look_at_all(struct net_state *state, struct look *look, struct cor_error *err)
{
	_cleanup_(firewall_targets_release) struct firewall_targets targets = {0};
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
		rules_collect_published(&active, &targets);
		net_active_release(&active);
	}
	/* Without the table more is gone than that. */
	if (has_chain(look, "inet", "forward") && !are_published(look, &targets)) {
		snprintf(look->what, sizeof(look->what), "published ports");
		found(look, "the firewall does not lead them to where they should go", true);
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
