/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of published ports: a socket for each, which nobody else can have as long as it is open, and rules that lead past it to the container. */
#pragma once

#include "net/port.h"
#include "net/publish.h"

struct held_port {
	struct publish publish; /* as it is bound: an address of one family, one port */
	bool every;             /* one of those that stand for every address */
	int fd; /* listens (TCP) or is bound (UDP, with the packets' own addresses told); does not block */
};
struct held_ports {
	struct held_port *items;
	size_t count;
};
#define _held_ports_ _cleanup_(held_ports_release)

/* Binds all or none: for "every address" one socket of each family that the host has, for a port that is to be chosen the same in both. Who is in use is told by
 * name: COR_BUSY. COR_INVALID for an address that the host has not, COR_PERMISSION. */
int held_ports_bind(const struct publish_list *wanted, struct held_ports *ret, struct cor_error *err);
/* Closes those that still are open here. */
void held_ports_release(struct held_ports *held);
/* What is bound, one for each socket, and as it was wanted, with the ports that were chosen; the caller's. */
struct publish_list held_ports_list(const struct held_ports *held);
struct publish_list held_ports_chosen(const struct held_ports *held);

/* What comes for them from outside, from containers, or from the host to an address that is not its loopback, goes to the port from here on, until that is left: the
 * rules go with the lease. Blocks for milliseconds. */
int held_ports_connect(int run_dir, const struct net_port *port, const struct held_ports *held,
		       struct cor_error *err);
