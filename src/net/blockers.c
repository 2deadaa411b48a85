/* SPDX-License-Identifier: Apache-2.0 */
#include "net/blockers.h"

#include "base/str.h"

#include <stdio.h>

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static bool same_table(const json_t *a, const char *family, const char *table)
{
	return str_equal(text(a, "family"), family) && str_equal(text(a, "table"), table);
}

/* A rule's verdict without a condition: its only words besides counting. */
static bool drops_all(const json_t *rule)
{
	const json_t *expression;
	bool drops = false;
	size_t i;

	json_array_foreach (json_object_get(rule, "expr"), i, expression) {
		if (json_object_get(expression, "drop") || json_object_get(expression, "reject"))
			drops = true;
		else if (!json_object_get(expression, "counter"))
			return false;
	}
	return drops;
}

/* firewalld's chains accept by policy, and end in a rule that does not. */
static bool ends_in_drop(const json_t *objects, const json_t *chain)
{
	const json_t *object;
	bool drops = false;
	size_t i;

	json_array_foreach (objects, i, object) {
		const json_t *rule = json_object_get(object, "rule");

		if (rule && same_table(rule, text(chain, "family"), text(chain, "table")) &&
		    str_equal(text(rule, "chain"), text(chain, "name")))
			drops = drops_all(rule);
	}
	return drops;
}

static bool names_bridge(const json_t *rule, const char *bridge)
{
	_free_ char *all = json_dumps(json_object_get(rule, "expr"), JSON_COMPACT | JSON_ENCODE_ANY);
	_free_ char *quoted = str_format("\"%s\"", bridge);

	/* A jump leads to a chain that a zone's interfaces share. */
	return all && strstr(all, quoted) &&
	       (strstr(all, "\"accept\"") || strstr(all, "\"jump\"") || strstr(all, "\"goto\""));
}

static bool table_knows(const json_t *objects, const json_t *chain, const char *bridge)
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		const json_t *rule = json_object_get(object, "rule");

		if (rule && same_table(rule, text(chain, "family"), text(chain, "table")) &&
		    names_bridge(rule, bridge))
			return true;
	}
	return false;
}

static bool has_chain(const json_t *objects, const json_t *like, const char *prefix)
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		const json_t *chain = json_object_get(object, "chain");

		if (chain && same_table(chain, text(like, "family"), text(like, "table")) &&
		    str_after(text(chain, "name"), prefix))
			return true;
	}
	return false;
}

static void write_remedy(const json_t *objects, const json_t *chain, const char *bridge,
			 struct blocker *blocker)
{
	const char *program = str_equal(blocker->family, "ip6") ? "ip6tables" : "iptables";
	size_t size = sizeof(blocker->remedy);

	if (str_equal(blocker->table, "firewalld"))
		snprintf(blocker->remedy, size, "firewall-cmd --zone=trusted --add-interface=%s", bridge);
	else if (has_chain(objects, chain, "ufw"))
		snprintf(blocker->remedy, size, "ufw route allow in on %s && ufw route allow out on %s",
			 bridge, bridge);
	else if (has_chain(objects, chain, "DOCKER-USER"))
		snprintf(blocker->remedy, size,
			 "%s -I DOCKER-USER -i %s -j ACCEPT && %s -I DOCKER-USER -o %s -j ACCEPT", program,
			 bridge, program, bridge);
	else
		snprintf(blocker->remedy, size,
			 "nft insert rule %s %s %s iifname %s accept && nft insert rule %s %s %s oifname %s "
			 "accept",
			 blocker->family, blocker->table, blocker->chain, bridge, blocker->family,
			 blocker->table, blocker->chain, bridge);
}

void blockers_find(const json_t *ruleset, const char *own, const char *bridge,
		   void (*each)(const struct blocker *blocker, void *context), void *context)
{
	const json_t *objects = json_object_get(ruleset, "nftables"), *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		const json_t *chain = json_object_get(object, "chain");
		struct blocker blocker = {.family = text(chain, "family"),
					  .table = text(chain, "table"),
					  .chain = text(chain, "name")};

		if (!chain || !str_equal(text(chain, "hook"), "forward") || str_equal(blocker.table, own) ||
		    str_equal(blocker.family, "bridge"))
			continue;
		if ((!str_equal(text(chain, "policy"), "drop") && !ends_in_drop(objects, chain)) ||
		    table_knows(objects, chain, bridge))
			continue;
		write_remedy(objects, chain, bridge, &blocker);
		each(&blocker, context);
	}
}
