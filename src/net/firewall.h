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
/* Removes the table of ports. */
void firewall_remove_ports(json_t *commands, const char *table);
