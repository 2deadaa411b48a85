/* SPDX-License-Identifier: Apache-2.0 */
/* Published ports: a connection from outside, or from the host itself, that comes for an address of the host's own is led to the container before it is routed, so
 * that the container sees who it is from.
 *
 * Two maps lead from (protocol, port) to the container's address and to its port, and two more from (address, protocol, port), for ports that are published on one
 * address; all of this for each family. (A map to both at once is more than nft's JSON could say before 1.0.7.) So a connection costs one look, however many
 * ports there are. A set beside them lets containers come to the sockets that the shim holds.
 *
 * Two kinds of traffic are left to those sockets:
 *   the host's loopback  a packet for it that came by a cable would be led on before the kernel sees that it has no business there, and a port that was published
 *                        on 127.0.0.1 would be open to the neighbours. So are addresses of one link, from which nothing can be forwarded.
 *   containers           on hosts with br_netfilter one that is led back into its own bridge is not routed but bridged, and to itself not even that; and what is led
 *                        to another network would need a way through the wall between them. */
#include "net/firewall.h"

#include "base/macro.h"
#include "net/firewall_json.h"

#include <netinet/in.h>
#include <string.h>

#define PUBLISHED "published"
#define PRIORITY  (-100) /* dstnat */

enum purpose { ADDRESS, PORT, OPEN };

static const struct table {
	const char *name;
	int family;
	bool at; /* the key begins with the host's address */
	enum purpose purpose;
} tables[] = {
	{"at4", AF_INET, true, ADDRESS},      {"at4_port", AF_INET, true, PORT},
	{"at4_open", AF_INET, true, OPEN},    {"any4", AF_INET, false, ADDRESS},
	{"any4_port", AF_INET, false, PORT},  {"any4_open", AF_INET, false, OPEN},
	{"at6", AF_INET6, true, ADDRESS},     {"at6_port", AF_INET6, true, PORT},
	{"at6_open", AF_INET6, true, OPEN},   {"any6", AF_INET6, false, ADDRESS},
	{"any6_port", AF_INET6, false, PORT}, {"any6_open", AF_INET6, false, OPEN},
};

/* ---- the chains ---- */

static const char *protocol_of(const struct table *table)
{
	return table->family == AF_INET ? "ip" : "ip6";
}

static const char *address_type(const struct table *table)
{
	return table->family == AF_INET ? "ipv4_addr" : "ipv6_addr";
}

static void add_table(const struct fw_table *t, const struct table *table)
{
	json_t *key = json_array();

	if (table->at)
		json_array_append_new(key, json_string(address_type(table)));
	json_array_append_new(key, json_string("inet_proto"));
	json_array_append_new(key, json_string("inet_service"));
	if (table->purpose == OPEN)
		fw_key_set(t, table->name, key);
	else
		fw_map(t, table->name, key, table->purpose == PORT ? "inet_service" : address_type(table));
}

/* What a packet is looked up by. */
static json_t *key_of(const struct table *table)
{
	json_t *key = json_array();

	if (table->at)
		json_array_append_new(key, json_pack("{s:{s:s, s:s}}", "payload", "protocol",
						     protocol_of(table), "field", "daddr"));
	json_array_append_new(key, json_pack("{s:{s:s}}", "meta", "key", "l4proto"));
	json_array_append_new(key,
			      json_pack("{s:{s:s, s:s}}", "payload", "protocol", "th", "field", "dport"));
	return json_pack("{s:o}", "concat", key);
}

static json_t *reference(const struct table *table)
{
	char name[32];

	snprintf(name, sizeof(name), "@%s", table->name);
	return json_string(name);
}

static json_t *look_up(const struct table *table)
{
	return json_pack("{s:{s:o, s:o}}", "map", "key", key_of(table), "data", reference(table));
}

static void leave_to_sockets(const struct fw_table *t, json_t *bridges)
{
	fw_rule(t, PUBLISHED,
		json_pack("[o, {s:n}]",
			  fw_match("==", json_pack("{s:{s:s}}", "meta", "key", "iifname"), bridges),
			  "return"));
	fw_rule(t, PUBLISHED,
		json_pack("[o, {s:n}]",
			  fw_payload("==", "ip", "daddr",
				     json_pack("{s:{s:s, s:i}}", "prefix", "addr", "127.0.0.0", "len", 8)),
			  "return"));
	fw_rule(t, PUBLISHED,
		json_pack("[o, {s:n}]",
			  fw_payload("==", "ip6", "daddr",
				     json_pack("{s:[s, {s:{s:s, s:i}}]}", "set", "::1", "prefix", "addr",
					       "fe80::", "len", 10)),
			  "return"));
}

/* What is for the host itself, by whichever of its addresses. */
static void hook(const struct fw_table *t, const char *name)
{
	fw_base_chain(t, name, "nat", name, PRIORITY);
	fw_rule(t, name,
		json_pack("[o, {s:{s:s}}]",
			  fw_match("==",
				   json_pack("{s:{s:s, s:[s]}}", "fib", "result", "type", "flags", "daddr"),
				   json_string("local")),
			  "jump", "target", PUBLISHED));
}

void firewall_add_published(const struct fw_table *t, json_t *bridges)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		add_table(t, &tables[i]);
	fw_chain(t, PUBLISHED);
	leave_to_sockets(t, bridges);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i += 3)
		fw_rule(t, PUBLISHED,
			json_pack("[{s:{s:s, s:o, s:o}}]", "dnat", "family", protocol_of(&tables[i]), "addr",
				  look_up(&tables[i + ADDRESS]), "port", look_up(&tables[i + PORT])));
	hook(t, "prerouting");
	hook(t, "output");
}

void firewall_allow_published(const struct fw_table *t, const char *chain, const char *bridge)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (tables[i].purpose == OPEN)
			fw_rule(t, chain,
				json_pack(
					"[o, o, o, {s:n}]",
					fw_match("==", json_pack("{s:{s:s}}", "meta", "key", "iifname"),
						 json_string(bridge)),
					fw_match("==", json_pack("{s:{s:s}}", "meta", "key", "nfproto"),
						 json_string(tables[i].family == AF_INET ? "ipv4" : "ipv6")),
					fw_match("==", key_of(&tables[i]), reference(&tables[i])), "accept"));
}

/* ---- what is in the tables ---- */

static bool is_any(const struct net_prefix *address)
{
	return memcmp(address->bytes, (const uint8_t[16]){0}, net_size(address)) == 0;
}

static bool is_for_sockets(const struct net_prefix *address)
{
	struct in6_addr v6;

	memcpy(&v6, address->bytes, sizeof(v6));
	return address->family == AF_INET ? address->bytes[0] == 127
					  : IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6);
}

static bool belongs(const struct table *table, const struct firewall_target *target)
{
	return target->address.family == table->family && target->to.family == table->family &&
	       !is_for_sockets(&target->address) && is_any(&target->address) != table->at;
}

static json_t *element(const struct table *table, const struct firewall_target *target)
{
	json_t *parts = json_array(), *key = json_pack("{s:o}", "concat", parts);
	char text[NET_TEXT_SIZE];

	if (table->at)
		json_array_append_new(parts, json_string(net_address_format(&target->address, text)));
	json_array_append_new(parts, json_string(target->protocol == IPPROTO_UDP ? "udp" : "tcp"));
	json_array_append_new(parts, json_integer(target->host_port));
	if (table->purpose == OPEN)
		return key;
	if (table->purpose == PORT)
		return json_pack("[o, i]", key, (int)target->container_port);
	return json_pack("[o, s]", key, net_address_format(&target->to, text));
}

json_t *firewall_published_elements(size_t number, const struct firewall_target *targets, size_t count,
				    const char **ret_name)
{
	json_t *elements;

	if (number >= ARRAY_SIZE(tables))
		return NULL;
	elements = json_array();
	for (size_t i = 0; i < count; i++)
		if (belongs(&tables[number], &targets[i]))
			json_array_append_new(elements, element(&tables[number], &targets[i]));
	*ret_name = tables[number].name;
	return elements;
}

void firewall_set_published(json_t *commands, const char *table, const struct firewall_target *targets,
			    size_t count)
{
	struct fw_table t = {.commands = commands, .family = "inet", .name = table};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const char *name;
		json_t *elements = firewall_published_elements(i, targets, count, &name);

		fw_flush_elements(&t, tables[i].purpose == OPEN ? "set" : "map", name);
		if (json_array_size(elements))
			fw_elements(&t, name, elements);
		else
			json_decref(elements);
	}
}
