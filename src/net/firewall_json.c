/* SPDX-License-Identifier: Apache-2.0 */
#include "net/firewall_json.h"

static void command(const struct fw_table *t, const char *verb, const char *object, json_t *members)
{
	json_object_set_new(members, "family", json_string(t->family));
	json_array_append_new(t->commands, json_pack("{s:{s:o}}", verb, object, members));
}

void fw_add_table(const struct fw_table *t)
{
	command(t, "add", "table", json_pack("{s:s}", "name", t->name));
}

void fw_clear_table(const struct fw_table *t)
{
	/* To delete what is not there would fail, and with it all. */
	fw_add_table(t);
	command(t, "delete", "table", json_pack("{s:s}", "name", t->name));
}

void fw_set(const struct fw_table *t, const char *set, const char *type, int size)
{
	command(t, "add", "set",
		json_pack("{s:s, s:s, s:s, s:i}", "table", t->name, "name", set, "type", type, "size", size));
}

static json_t *chain_name(const struct fw_table *t, const char *chain)
{
	return json_pack("{s:s, s:s}", "table", t->name, "name", chain);
}

void fw_chain(const struct fw_table *t, const char *chain)
{
	command(t, "add", "chain", chain_name(t, chain));
}

void fw_base_chain(const struct fw_table *t, const char *chain, const char *type, const char *hook,
		   int priority)
{
	json_t *members = chain_name(t, chain);

	json_object_set_new(members, "type", json_string(type));
	json_object_set_new(members, "hook", json_string(hook));
	json_object_set_new(members, "prio", json_integer(priority));
	json_object_set_new(members, "policy", json_string("accept"));
	command(t, "add", "chain", members);
}

void fw_flush(const struct fw_table *t, const char *chain)
{
	command(t, "flush", "chain", chain_name(t, chain));
}

void fw_delete_chain(const struct fw_table *t, const char *chain)
{
	command(t, "delete", "chain", chain_name(t, chain));
}

void fw_rule(const struct fw_table *t, const char *chain, json_t *expressions)
{
	command(t, "add", "rule",
		json_pack("{s:s, s:s, s:o}", "table", t->name, "chain", chain, "expr", expressions));
}

void fw_element(const struct fw_table *t, const char *verb, const char *map, const char *key,
		const char *chain)
{
	command(t, verb, "element",
		json_pack("{s:s, s:s, s:[[s, {s:{s:s}}]]}", "table", t->name, "name", map, "elem", key,
			  "jump", "target", chain));
}

void fw_map(const struct fw_table *t, const char *map, json_t *key, const char *value)
{
	command(t, "add", "map",
		json_pack("{s:s, s:s, s:o, s:s}", "table", t->name, "name", map, "type", key, "map", value));
}

void fw_key_set(const struct fw_table *t, const char *set, json_t *key)
{
	command(t, "add", "set", json_pack("{s:s, s:s, s:o}", "table", t->name, "name", set, "type", key));
}

void fw_flush_elements(const struct fw_table *t, const char *kind, const char *name)
{
	command(t, "flush", kind, chain_name(t, name));
}

void fw_elements(const struct fw_table *t, const char *name, json_t *elements)
{
	command(t, "add", "element",
		json_pack("{s:s, s:s, s:o}", "table", t->name, "name", name, "elem", elements));
}

json_t *fw_match(const char *op, json_t *left, json_t *right)
{
	return json_pack("{s:{s:s, s:o, s:o}}", "match", "op", op, "left", left, "right", right);
}

json_t *fw_payload(const char *op, const char *protocol, const char *field, json_t *right)
{
	return fw_match(op, json_pack("{s:{s:s, s:s}}", "payload", "protocol", protocol, "field", field),
			right);
}

json_t *fw_l4proto(const char *op, json_t *right)
{
	return fw_match(op, json_pack("{s:{s:s}}", "meta", "key", "l4proto"), right);
}

json_t *fw_raw(const char *op, int offset, int length, const char *right)
{
	return fw_match(
		op,
		json_pack("{s:{s:s, s:i, s:i}}", "payload", "base", "th", "offset", offset, "len", length),
		json_string(right));
}

json_t *fw_faster(int per_second, int burst)
{
	return json_pack("{s:{s:i, s:i, s:s, s:b}}", "limit", "rate", per_second, "burst", burst, "per",
			 "second", "inv", 1);
}

json_t *fw_accept(void)
{
	return json_pack("{s:n}", "accept");
}

json_t *fw_drop(void)
{
	return json_pack("{s:n}", "drop");
}
