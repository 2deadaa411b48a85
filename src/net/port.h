/* SPDX-License-Identifier: Apache-2.0 */
/* A container's place in a network: a lease, a tap in the bridge, its rules, its names. */
#pragma once

#include "net/lease.h"
#include "net/network.h"
#include "net/request.h"
#include "net/tap.h"

struct net_port {
	char network[NETWORK_NAME_MAX + 1];
	char domain[NETWORK_DOMAIN_MAX + 1];
	struct net_prefix v4, v6;             /* the container's, with the subnet's length; v6 may be empty */
	struct net_prefix gateway4, gateway6; /* the host's; also who answers for names */
	bool internal;                        /* there is no way out: no default route */
	uint32_t mtu;                         /* 0: usual */
	bool user;      /* a user-mode network's (net/user.h): no lease, no device of the host */
	struct tap tap; /* for the VMM; of a user-mode network a connected socket, as its only queue */
	struct lease lease;
	int lease_fd;
	int names_error; /* why names are not served; 0: they are */
};
/* One that holds nothing. */
void net_port_init(struct net_port *port);

/* Who joins. */
struct net_member {
	const char *id; /* of the container */
	unsigned index; /* which of its networks this is, below 16 */
	const char *name, *hostname;
	unsigned queues; /* for tap_open */
};

/* A MAC address: the one that is wanted, or one of the id, so that a container that is started again keeps it. */
void net_choose_mac(const struct net_request *request, const struct net_member *member, uint8_t mac[6]);

/* A port whose tap is down: net_connect lets it go. Two steps, so that the VMM can start between them: rules take the kernel tens of milliseconds.
 * Blocks for milliseconds. COR_NOT_FOUND for the network, COR_INVALID and COR_EXISTS for an address that cannot be
 * had, COR_EXHAUSTED, COR_PERMISSION, COR_UNSUPPORTED for what the host lacks. */
int net_join(int data_dir, int run_dir, const struct net_request *request, const struct net_member *member,
	     struct net_port *ret, struct cor_error *err);

/* Its rules, the network's where it is the first one, and who answers for names; and then up: no frame is ever seen without rules. Fills names_error. */
int net_connect(int run_dir, struct net_port *port, struct cor_error *err);

/* Gives all back, and the network with it where nobody else is. A VMM that still lives has a cable that leads nowhere, and the device goes with it.
 * Twice is fine. What could not be taken away is taken by the next who comes. */
int net_leave(int run_dir, struct net_port *port, struct cor_error *err);
/* The same, but that it goes on in a process of its own when the address and the names are free: a device that goes and rules that go take the kernel tens
 * of milliseconds, which nobody should wait for. That process has the lock of net/state.h, so that others find all done, or wait. */
int net_leave_soon(int run_dir, struct net_port *port, struct cor_error *err);

/* 0 if this process may make bridges here; COR_PERMISSION or COR_UNSUPPORTED, with what is missing. */
int net_usable(struct cor_error *err);
