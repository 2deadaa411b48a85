/* SPDX-License-Identifier: Apache-2.0 */
/* What of our networks is there in the kernel, for one network namespace and one boot.
 *
 *   RUN/net/NS/lock            NS is the namespace's inode number; whoever changes anything below, or in the kernel, holds an flock on it
 *   RUN/net/NS/n/NAME/         a network that is up, or is being made or taken away:
 *     network.json             its record as it was when it came up
 *     leases/NUMBER            an address that somebody has (net/lease.h)
 *     ruled                    the table of rules has it
 *     resolved                 the host is to find its containers by name
 *     hosts/NUMBER             the names of that address; names.log (net/names.h)
 *     ports/NUMBER             what the host answers for on its behalf (net/published.h)
 *
 *   DOWN ──(a container joins: bridge, addresses, forwarding; then rules, dnsmasq)──► UP ──(its last lease is given back, or found free)──► DOWN
 *
 * A process may die between any two steps. So nothing but a held lease says that a network is in use: the next who has the lock sees to it that a network
 * without one is gone, and makes one anew that has lost its bridge. */
#pragma once

#include "net/lease.h"
#include "net/network.h"
#include "net/published.h"

#define NET_TAG_SIZE 9

struct net_state {
	int dir;  /* RUN/net/NS */
	int lock; /* held */
	int netlink;
	char tag[NET_TAG_SIZE]; /* of the run root: two installations in one namespace do not mix */
};

/* Waits for the lock. COR_PERMISSION, COR_UNSUPPORTED. */
int net_state_open(int run_dir, struct net_state *ret, struct cor_error *err);
void net_state_release(struct net_state *state);

void net_table_name(const struct net_state *state, char *out); /* FIREWALL_TABLE_SIZE bytes */
/* The same without the lock. 0 or -errno. */
int net_table_of(int run_dir, char *out);
void net_bridge_name(const struct net_state *state, const char *network, char out[LEASE_DEVICE_SIZE]);
void net_bridge_mac(const char *bridge, uint8_t mac[6]);

/* A network that is up. */
struct net_active {
	struct network network; /* as it came up; the record may have been removed since */
	int dir;                /* RUN/net/NS/n/NAME */
	int leases;
	char bridge[LEASE_DEVICE_SIZE];
};
void net_active_release(struct net_active *active);

/* Opens one that is up, or was. COR_NOT_FOUND. */
int net_state_find(struct net_state *state, const char *name, struct net_active *ret, struct cor_error *err);
/* Tells the host who has the addresses of a lease, or that nobody has them. */
int net_state_introduce(struct net_state *state, const struct net_active *active, const struct lease *lease,
			bool there);
/* The names of all that are there. */
int net_state_names(const struct net_state *state, struct strv *ret);

/* For those who bring it up (net/life.h): its folder, made where it is missing when `make` says so, with no record read. 0 or -errno. */
int net_active_open(const struct net_state *state, const char *name, bool make, struct net_active *ret);
/* The record in that folder. 0 or -errno. */
int net_active_read(int dir, const char *name, struct network *network);
int net_active_write(const struct net_active *active, struct cor_error *err);
