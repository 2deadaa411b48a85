/* SPDX-License-Identifier: Apache-2.0 */
/* What a port lets through. A guest can send any bytes; those that claim to be another's go no further than its own port: frames with another MAC, ARP with
 * another sender, packets with another source, advertisements of another's address or with another's MAC in them (RFC 4861, 4.3 and 4.4), and what only
 * routers and servers of addresses send. Frames of other kinds (VLAN tags, spanning tree) have no business here. */
#include "net/firewall.h"

#include "net/firewall_json.h"

#include <stdio.h>

#define MAP       "ports"
#define BASE      "from_ports"
#define ND_PLAIN  24 /* length of a solicitation or advertisement … */
#define ND_OPTION 32 /* … and with one option, which is a link-layer address */
#define ND_TARGET 64 /* bits into the message */
#define ND_FIRST  192

/* Questions for names: what one guest asks beyond that leaves the others their server's time, and at once its socket's room (some 250 packets). A busy container
 * asks some hundred times in a second. */
#define NAMES_PORT       53
#define NAMES_PER_SECOND 1000
#define NAMES_BURST      150

/* Before those of others see it, so that nothing false is ever counted or tracked. */
#define PRIORITY -300

static void add_map(const struct fw_table *t)
{
	fw_add_table(t);
	json_array_append_new(t->commands, json_pack("{s:{s:{s:s, s:s, s:s, s:s, s:s}}}", "add", "map",
						     "family", t->family, "table", t->name, "name", MAP,
						     "type", "ifname", "map", "verdict"));
}

static void add_table(const struct fw_table *t)
{
	add_map(t);
	fw_base_chain(t, BASE, "filter", "prerouting", PRIORITY);
	fw_flush(t, BASE);
	fw_rule(t, BASE,
		json_pack("[{s:{s:{s:{s:s}}, s:s}}]", "vmap", "key", "meta", "key", "iifname", "data",
			  "@" MAP));
}

static json_t *kind(const char *name)
{
	return fw_payload("==", "ether", "type", json_string(name));
}

static json_t *icmpv6(const char *type)
{
	return fw_payload("==", "icmpv6", "type", json_string(type));
}

static json_t *udp_from(int port)
{
	return fw_payload("==", "udp", "sport", json_integer(port));
}

static json_t *length6(int length)
{
	return fw_payload("==", "ip6", "length", json_integer(length));
}

/* Most packets, before all that needs a closer look: what is checked of TCP is its sender. */
static void add_tcp(const struct fw_table *t, const struct firewall_port *port, const struct net_prefix *own)
{
	bool v4 = own->family == AF_INET;
	char text[NET_TEXT_SIZE];

	if (own->family)
		fw_rule(t, port->device,
			json_pack("[o, o, o, o]", kind(v4 ? "ip" : "ip6"),
				  fw_payload("==", v4 ? "ip" : "ip6", "saddr",
					     json_string(net_address_format(own, text))),
				  fw_l4proto("==", json_string("tcp")), fw_accept()));
}

static void add_arp(const struct fw_table *t, const struct firewall_port *port, const char *mac)
{
	char v4[NET_TEXT_SIZE];

	if (port->v4.family)
		fw_rule(t, port->device,
			json_pack("[o, o, o, o]", kind("arp"),
				  fw_payload("==", "arp", "saddr ether", json_string(mac)),
				  fw_payload("==", "arp", "saddr ip",
					     json_string(net_address_format(&port->v4, v4))),
				  fw_accept()));
}

static void limit_names(const struct fw_table *t, const struct firewall_port *port,
			const struct net_prefix *gateway)
{
	char text[NET_TEXT_SIZE];

	if (!gateway->family)
		return;
	fw_rule(t, port->device,
		json_pack("[o, o, o, o]",
			  fw_payload("==", gateway->family == AF_INET ? "ip" : "ip6", "daddr",
				     json_string(net_address_format(gateway, text))),
			  fw_payload("==", "udp", "dport", json_integer(NAMES_PORT)),
			  fw_faster(NAMES_PER_SECOND, NAMES_BURST), fw_drop()));
}

static void add_v4(const struct fw_table *t, const struct firewall_port *port)
{
	char v4[NET_TEXT_SIZE];

	if (!port->v4.family)
		return;
	fw_rule(t, port->device, json_pack("[o, o, o]", kind("ip"), udp_from(67), fw_drop()));
	fw_rule(t, port->device,
		json_pack("[o, o, o]", kind("ip"),
			  fw_payload("==", "ip", "saddr", json_string(net_address_format(&port->v4, v4))),
			  fw_accept()));
}

/* "0x" and the bytes. */
static char *hex(const uint8_t *bytes, size_t size, char *out)
{
	sprintf(out, "0x");
	for (size_t i = 0; i < size; i++)
		sprintf(out + 2 + 2 * i, "%02x", bytes[i]);
	return out;
}

static char *option_hex(uint8_t type, const uint8_t mac[6], char *out)
{
	return hex((const uint8_t[]){type, 1, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]}, 8, out);
}

/* Of its own addresses, and with its own MAC where there is one in it. */
static void add_advertisements(const struct fw_table *t, const struct firewall_port *port,
			       const struct net_prefix *own)
{
	char target[40], option[24];

	hex(own->bytes, 16, target);
	fw_rule(t, port->device,
		json_pack("[o, o, o, o]", icmpv6("nd-neighbor-advert"), fw_raw("==", ND_TARGET, 128, target),
			  length6(ND_PLAIN), fw_accept()));
	fw_rule(t, port->device,
		json_pack("[o, o, o, o, o]", icmpv6("nd-neighbor-advert"),
			  fw_raw("==", ND_TARGET, 128, target), length6(ND_OPTION),
			  fw_raw("==", ND_FIRST, 64, option_hex(2, port->mac, option)), fw_accept()));
}

static void add_neighbours(const struct fw_table *t, const struct firewall_port *port,
			   const struct net_prefix *link_local)
{
	char option[24];

	add_advertisements(t, port, &port->v6);
	add_advertisements(t, port, link_local);
	fw_rule(t, port->device, json_pack("[o, o]", icmpv6("nd-neighbor-advert"), fw_drop()));
	fw_rule(t, port->device,
		json_pack("[o, o, o]", icmpv6("nd-neighbor-solicit"), length6(ND_PLAIN), fw_accept()));
	fw_rule(t, port->device,
		json_pack("[o, o, o, o]", icmpv6("nd-neighbor-solicit"), length6(ND_OPTION),
			  fw_raw("==", ND_FIRST, 64, option_hex(1, port->mac, option)), fw_accept()));
	fw_rule(t, port->device, json_pack("[o, o]", icmpv6("nd-neighbor-solicit"), fw_drop()));
}

static void add_v6(const struct fw_table *t, const struct firewall_port *port)
{
	struct net_prefix link_local = mac_link_local(port->mac);
	char own[NET_TEXT_SIZE], local[NET_TEXT_SIZE];

	if (!port->v6.family)
		return;
	/* Who asks whether an address is free has none yet (RFC 4862, 5.4.2). */
	fw_rule(t, port->device,
		json_pack("[o, o, o]", fw_payload("==", "ip6", "saddr", json_string("::")),
			  icmpv6("nd-neighbor-solicit"), fw_accept()));
	fw_rule(t, port->device,
		json_pack("[o, o]",
			  fw_payload("!=", "ip6", "saddr",
				     json_pack("{s:[s, s]}", "set", net_address_format(&port->v6, own),
					       net_address_format(&link_local, local))),
			  fw_drop()));
	fw_rule(t, port->device,
		json_pack("[o, o]",
			  fw_payload("==", "icmpv6", "type",
				     json_pack("{s:[s, s, s]}", "set", "nd-router-advert",
					       "nd-router-solicit", "nd-redirect")),
			  fw_drop()));
	fw_rule(t, port->device, json_pack("[o, o, o]", kind("ip6"), udp_from(547), fw_drop()));
	add_neighbours(t, port, &link_local);
	fw_rule(t, port->device, json_pack("[o, o]", kind("ip6"), fw_accept()));
}

void firewall_add_port(json_t *commands, const char *table, const struct firewall_port *port)
{
	struct fw_table t = {.commands = commands, .family = "bridge", .name = table};
	char mac[MAC_TEXT_SIZE];

	mac_format(port->mac, mac);
	add_table(&t);
	fw_chain(&t, port->device);
	fw_flush(&t, port->device);
	fw_rule(&t, port->device,
		json_pack("[o, o]", fw_payload("!=", "ether", "saddr", json_string(mac)), fw_drop()));
	add_tcp(&t, port, &port->v4);
	add_tcp(&t, port, &port->v6);
	add_arp(&t, port, mac);
	limit_names(&t, port, &port->gateway4);
	limit_names(&t, port, &port->gateway6);
	add_v4(&t, port);
	add_v6(&t, port);
	fw_rule(&t, port->device, json_pack("[o]", fw_drop()));
	fw_element(&t, "add", MAP, port->device, port->device);
}

void firewall_remove_port(json_t *commands, const char *table, const char *device)
{
	struct fw_table t = {.commands = commands, .family = "bridge", .name = table};

	/* As with tables: what is made first can be deleted. */
	add_map(&t);
	fw_chain(&t, device);
	fw_element(&t, "add", MAP, device, device);
	fw_element(&t, "delete", MAP, device, device);
	fw_flush(&t, device);
	fw_delete_chain(&t, device);
}

void firewall_remove_ports(json_t *commands, const char *table)
{
	struct fw_table t = {.commands = commands, .family = "bridge", .name = table};

	fw_clear_table(&t);
}
