/* SPDX-License-Identifier: Apache-2.0 */
/* Our rules, as commands of libnftables-json(5): pure functions of what there is.
 *
 * Two tables of one name. In the family "bridge" every port has a chain that lets through what carries the port's own MAC, IPv4 and IPv6 addresses and drops
 * all else; a map leads from the port's name to it. In "inet" are the ways between networks, the host and the world. The second is made anew as a
 * whole whenever a network comes or goes, the first port by port. */
#pragma once

#include "net/address.h"
#include "net/network.h"

#define FIREWALL_TABLE_SIZE 32

struct firewall_port {
	const char *device; /* the tap */
	uint8_t mac[6];
	struct net_prefix v4, v6;             /* one of them may be empty */
	struct net_prefix gateway4, gateway6; /* who answers for names */
};

struct firewall_network {
	const struct network *network;
	const char *bridge;
};

/* Each appends to the array `commands`. */

/* Makes the table if it is not there, and the port's chain anew. */
void firewall_add_port(json_t *commands, const char *table, const struct firewall_port *port);
/* Whether it is there or not. */
void firewall_remove_port(json_t *commands, const char *table, const char *device);
/* Replaces the table of networks; with none, it goes. */
void firewall_set_networks(json_t *commands, const char *table, const struct firewall_network *networks,
			   size_t count);
/* A port of the host that leads to a container. */
struct firewall_target {
	struct net_prefix address; /* of the host; all zero: every one of its family */
	struct net_prefix to;      /* of the container, in the same family */
	uint16_t host_port, container_port;
	uint8_t protocol;
};
/* What there is instead of what was, in the table of networks. Addresses that only the host itself reaches (its loopback, and those of one link) are left out: to lead
 * these anywhere would open them to the neighbours. */
void firewall_set_published(json_t *commands, const char *table, const struct firewall_target *targets,
			    size_t count);
/* The elements that it puts into a map or set of ours, as the kernel lists them; the caller's. NULL when there is none of that number. */
json_t *firewall_published_elements(size_t number, const struct firewall_target *targets, size_t count,
				    const char **ret_name);
/* For firewall_set_networks: the maps and sets, and the chains that look into them; bridges (taken over): a set of all. And a rule that lets a network's
 * containers come to what is published. */
struct fw_table;
void firewall_add_published(const struct fw_table *table, json_t *bridges);
void firewall_allow_published(const struct fw_table *table, const char *chain, const char *bridge);

/* Removes the table of ports. */
void firewall_remove_ports(json_t *commands, const char *table);
