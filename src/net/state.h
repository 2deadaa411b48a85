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

/* A network that is up. */
struct net_active {
	struct network network; /* as it came up; the record may have been removed since */
	int dir;                /* RUN/net/NS/n/NAME */
	int leases;
	char bridge[LEASE_DEVICE_SIZE];
};
void net_active_release(struct net_active *active);

/* Brings it up where it is not, but for what net_state_rule does; sweeps what the dead left. */
int net_state_up(struct net_state *state, const struct network *network, struct net_active *ret,
		 struct cor_error *err);
/* Applies `commands`, and with them the rules of all networks where this one's are not among them; starts its dnsmasq where none lives. To be called before a port goes up. Names
 * that cannot be served are no failure: *ret_names is why (0: they are). */
int net_state_rule(struct net_state *state, struct net_active *active, json_t *commands, int *ret_names,
		   struct cor_error *err);
/* Opens one that is up, or was. COR_NOT_FOUND. */
int net_state_find(struct net_state *state, const char *name, struct net_active *ret, struct cor_error *err);
/* Sweeps, and takes it down when no lease is held. *ret_held: how many leases are held. */
int net_state_settle(struct net_state *state, struct net_active *active, unsigned *ret_held,
		     struct cor_error *err);
/* Of one that is in use: all its rules anew, its bridge if it was lost, its dnsmasq if it died. */
int net_state_restore(struct net_state *state, struct net_active *active, struct cor_error *err);
/* Whether the host's own resolver is told of it (net/resolved.h), now and whenever its bridge is made. */
void net_state_wish_resolved(const struct net_active *active, bool wished);
/* Tells the host who has the addresses of a lease, or that nobody has them. */
int net_state_introduce(struct net_state *state, const struct net_active *active, const struct lease *lease,
			bool there);
/* What all that are up publish, as commands of nft: of a table that is there, or else with all rules of networks. */
void net_state_publish(struct net_state *state, json_t *commands);
/* What one of them publishes; appends. */
void net_active_published(const struct net_active *active, struct firewall_targets *targets);
/* The names of all that are there. */
int net_state_names(const struct net_state *state, struct strv *ret);
