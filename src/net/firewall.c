/* SPDX-License-Identifier: Apache-2.0 */
/* The table of networks: who may go where.
 *
 *   names_in, names_out  questions for names are not tracked: a flood of them is not to fill the host's table of connections
 *   input        from a container to the host: answers, pings, neighbours, names from the network's own address, published ports, and what its network allows;
 *                nothing else
 *   forward      between networks, into an internal one or out of it: nothing. From outside to a container: answers, and what was published
 *   postrouting  what leaves for the world wears the host's address
 *   prerouting, output, published   see firewall_publish.c */
#include "net/firewall.h"

#include "net/firewall_json.h"
#include "net/publish.h"

#include <netinet/in.h>

#define DNS 53
/* dnsmasq has a process for each connection, twenty at most, that its client may leave idle for minutes. */
#define DNS_CONNECTIONS 4
#define ADDRESSES_MAX   65535 /* that ask over such a connection at once */
/* Of notrack: before connections are tracked. */
#define PRIORITY_RAW (-300)

static json_t *bridges(const struct firewall_network *networks, size_t count, bool internal_only)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		if (!internal_only || networks[i].network->internal)
			json_array_append_new(list, json_string(networks[i].bridge));
	return json_pack("{s:o}", "set", list);
}

static json_t *device(const char *key, const char *op, json_t *right)
{
	return fw_match(op, json_pack("{s:{s:s}}", "meta", "key", key), right);
}

static json_t *states(void)
{
	return fw_match("in", json_pack("{s:{s:s}}", "ct", "key", "state"),
			json_pack("[s, s]", "established", "related"));
}

static json_t *th_port(const char *field)
{
	return fw_match("==", json_pack("{s:{s:s, s:s}}", "payload", "protocol", "th", "field", field),
			json_integer(DNS));
}

static json_t *is_dns(void)
{
	return th_port("dport");
}

static json_t *is_udp_or_tcp(void)
{
	return fw_l4proto("==", json_pack("{s:[s, s]}", "set", "tcp", "udp"));
}

static json_t *family_address(const char *op, const char *field, const struct net_prefix *address)
{
	char text[NET_TEXT_SIZE];

	return fw_payload(op, address->family == AF_INET ? "ip" : "ip6", field,
			  json_string(net_address_format(address, text)));
}

static json_t *family_subnet(const char *op, const char *field, const struct net_prefix *subnet)
{
	char text[NET_TEXT_SIZE];

	return fw_payload(op, subnet->family == AF_INET ? "ip" : "ip6", field,
			  json_pack("{s:{s:s, s:i}}", "prefix", "addr", net_address_format(subnet, text),
				    "len", (int)subnet->length));
}

/* ---- to the host ---- */

static void leave_untracked(const struct fw_table *t, const struct firewall_network *n,
			    const struct net_prefix *gateway)
{
	fw_rule(t, "names_in",
		json_pack("[o, o, o, o, {s:n}]", device("iifname", "==", json_string(n->bridge)),
			  family_address("==", "daddr", gateway), fw_l4proto("==", json_string("udp")),
			  is_dns(), "notrack"));
	fw_rule(t, "names_out",
		json_pack("[o, o, o, o, {s:n}]", device("oifname", "==", json_string(n->bridge)),
			  family_address("==", "saddr", gateway), fw_l4proto("==", json_string("udp")),
			  th_port("sport"), "notrack"));
}

/* Counted by who asks, in a set of those who do. */
static void limit_connections(const struct fw_table *t, const struct firewall_network *n,
			      const struct net_prefix *gateway)
{
	bool v4 = gateway->family == AF_INET;

	fw_rule(t, "from_containers",
		json_pack("[o, o, o, o, {s:{s:s, s:{s:{s:s, s:s}}, s:s, s:[{s:{s:i, s:b}}]}}, {s:{s:s}}]",
			  device("iifname", "==", json_string(n->bridge)),
			  family_address("==", "daddr", gateway),
			  fw_payload("==", "tcp", "dport", json_integer(DNS)),
			  fw_match("in", json_pack("{s:{s:s}}", "ct", "key", "state"), json_string("new")),
			  "set", "op", "add", "elem", "payload", "protocol", v4 ? "ip" : "ip6", "field",
			  "saddr", "set", v4 ? "@names4" : "@names6", "stmt", "ct count", "val",
			  DNS_CONNECTIONS, "inv", 1, "reject", "type", "tcp reset"));
}

static void allow_names(const struct fw_table *t, const struct firewall_network *n,
			const struct net_prefix *subnet)
{
	struct net_prefix gateway;

	if (!subnet->family)
		return;
	gateway = net_prefix_host(subnet, NETWORK_GATEWAY);
	leave_untracked(t, n, &gateway);
	limit_connections(t, n, &gateway);
	fw_rule(t, "from_containers",
		json_pack("[o, o, o, o, o]", device("iifname", "==", json_string(n->bridge)),
			  family_address("==", "daddr", &gateway), is_udp_or_tcp(), is_dns(), fw_accept()));
	/* Who answers there is for the network's own and the host. */
	fw_rule(t, "input",
		json_pack("[o, o, o, o, o]",
			  device("iifname", "!=", json_pack("{s:[s, s]}", "set", n->bridge, "lo")),
			  family_address("==", "daddr", &gateway), is_udp_or_tcp(), is_dns(), fw_drop()));
}

static void allow_protocol(const struct fw_table *t, const char *bridge, const struct publish_list *ports,
			   uint8_t protocol)
{
	json_t *numbers = json_array();

	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].protocol == protocol)
			json_array_append_new(numbers, json_integer(ports->items[i].container_port));
	if (!json_array_size(numbers)) {
		json_decref(numbers);
		return;
	}
	fw_rule(t, "from_containers",
		json_pack("[o, o, o]", device("iifname", "==", json_string(bridge)),
			  fw_payload("==", publish_protocol_name(protocol), "dport",
				     json_pack("{s:o}", "set", numbers)),
			  fw_accept()));
}

/* Other networks' names are none of the services that may be allowed; its own are asked for before. */
static void refuse_names(const struct fw_table *t, const struct net_prefix *subnet)
{
	struct net_prefix gateway;

	if (!subnet->family)
		return;
	gateway = net_prefix_host(subnet, NETWORK_GATEWAY);
	fw_rule(t, "from_containers",
		json_pack("[o, o, o, o]", family_address("==", "daddr", &gateway), is_udp_or_tcp(), is_dns(),
			  fw_drop()));
}

static void allow_services(const struct fw_table *t, const struct firewall_network *n)
{
	_publish_list_ struct publish_list ports = {0};
	const struct strv *allowed = &n->network->allow_host;
	const char *text;

	if (strv_contains(allowed, NETWORK_ALLOW_ALL)) {
		fw_rule(t, "from_containers",
			json_pack("[o, o]", device("iifname", "==", json_string(n->bridge)), fw_accept()));
		return;
	}
	strv_foreach (allowed, i, text)
		(void)publish_parse_exposed(text, &ports, NULL);
	allow_protocol(t, n->bridge, &ports, IPPROTO_TCP);
	allow_protocol(t, n->bridge, &ports, IPPROTO_UDP);
}

static void add_input(const struct fw_table *t, const struct firewall_network *networks, size_t count)
{
	fw_chain(t, "from_containers");
	fw_rule(t, "input",
		json_pack("[o, {s:{s:s}}]", device("iifname", "==", bridges(networks, count, false)), "jump",
			  "target", "from_containers"));
	fw_rule(t, "from_containers", json_pack("[o, o]", states(), fw_accept()));
	for (size_t i = 0; i < count; i++) {
		allow_names(t, &networks[i], &networks[i].network->v4);
		allow_names(t, &networks[i], &networks[i].network->v6);
	}
	for (size_t i = 0; i < count; i++) {
		refuse_names(t, &networks[i].network->v4);
		refuse_names(t, &networks[i].network->v6);
	}
	for (size_t i = 0; i < count; i++) {
		if (!networks[i].network->internal)
			firewall_allow_published(t, "from_containers", networks[i].bridge);
		allow_services(t, &networks[i]);
	}
	fw_rule(t, "from_containers",
		json_pack("[o, o]", fw_payload("==", "icmp", "type", json_string("echo-request")),
			  fw_accept()));
	fw_rule(t, "from_containers",
		json_pack("[o, o]",
			  fw_payload("==", "icmpv6", "type",
				     json_pack("{s:[s, s, s]}", "set", "echo-request", "nd-neighbor-solicit",
					       "nd-neighbor-advert")),
			  fw_accept()));
	fw_rule(t, "from_containers",
		json_pack("[{s:{s:s, s:s}}]", "reject", "type", "icmpx", "expr", "admin-prohibited"));
}

/* ---- between ---- */

static void add_forward(const struct fw_table *t, const struct firewall_network *networks, size_t count)
{
	json_t *all = bridges(networks, count, false), *internal = bridges(networks, count, true);

	/* Where br_netfilter is loaded (Docker does that), frames within a bridge come by here too. */
	for (size_t i = 0; i < count; i++)
		fw_rule(t, "forward",
			json_pack("[o, o, o]", device("iifname", "==", json_string(networks[i].bridge)),
				  device("oifname", "==", json_string(networks[i].bridge)), fw_accept()));
	fw_rule(t, "forward",
		json_pack("[o, o, o]", device("iifname", "==", json_incref(all)),
			  device("oifname", "==", json_incref(all)), fw_drop()));
	if (json_array_size(json_object_get(internal, "set"))) {
		fw_rule(t, "forward",
			json_pack("[o, o]", device("iifname", "==", json_incref(internal)), fw_drop()));
		fw_rule(t, "forward",
			json_pack("[o, o]", device("oifname", "==", json_incref(internal)), fw_drop()));
	}
	fw_rule(t, "forward",
		json_pack("[o, o, o]", device("oifname", "==", json_incref(all)), states(), fw_accept()));
	fw_rule(t, "forward",
		json_pack("[o, o, o]", device("oifname", "==", json_incref(all)),
			  fw_match("in", json_pack("{s:{s:s}}", "ct", "key", "status"), json_string("dnat")),
			  fw_accept()));
	fw_rule(t, "forward", json_pack("[o, o]", device("oifname", "==", json_incref(all)), fw_drop()));
	json_decref(all);
	json_decref(internal);
}

static void add_masquerade(const struct fw_table *t, const struct firewall_network *n,
			   const struct net_prefix *subnet)
{
	if (!subnet->family || n->network->internal)
		return;
	fw_rule(t, "postrouting",
		json_pack("[o, o, o, {s:n}]", family_subnet("==", "saddr", subnet),
			  family_subnet("!=", "daddr", subnet),
			  device("oifname", "!=", json_string(n->bridge)), "masquerade"));
}

void firewall_set_networks(json_t *commands, const char *table, const struct firewall_network *networks,
			   size_t count)
{
	struct fw_table t = {.commands = commands, .family = "inet", .name = table};

	fw_clear_table(&t);
	if (!count)
		return;
	fw_add_table(&t);
	fw_set(&t, "names4", "ipv4_addr", ADDRESSES_MAX);
	fw_set(&t, "names6", "ipv6_addr", ADDRESSES_MAX);
	fw_base_chain(&t, "names_in", "filter", "prerouting", PRIORITY_RAW);
	fw_base_chain(&t, "names_out", "filter", "output", PRIORITY_RAW);
	/* Most packets pass here for nothing. */
	fw_rule(&t, "names_in", json_pack("[o, o]", fw_l4proto("!=", json_string("udp")), fw_accept()));
	fw_rule(&t, "names_out", json_pack("[o, o]", fw_l4proto("!=", json_string("udp")), fw_accept()));
	fw_base_chain(&t, "input", "filter", "input", 0);
	fw_base_chain(&t, "forward", "filter", "forward", 0);
	fw_base_chain(&t, "postrouting", "nat", "postrouting", 100);
	firewall_add_published(&t, bridges(networks, count, false));
	add_input(&t, networks, count);
	add_forward(&t, networks, count);
	for (size_t i = 0; i < count; i++) {
		add_masquerade(&t, &networks[i], &networks[i].network->v4);
		add_masquerade(&t, &networks[i], &networks[i].network->v6);
	}
}
