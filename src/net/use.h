/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in a network, and what is done to networks from outside of containers. */
#pragma once

#include "net/lease.h"
#include "net/network.h"

struct net_holder {
	char id[ID_SIZE]; /* empty where the lease cannot be read */
	uint8_t mac[6];
	struct net_prefix v4, v6;
};

/* Those that hold leases now. None for a network that is not up. The caller frees *ret. */
int net_holders(int run_dir, const char *name, struct net_holder **ret, size_t *ret_count,
		struct cor_error *err);

/* Forgets a network, and takes away what the dead left of it. COR_BUSY while a lease is held, COR_NOT_FOUND. */
int net_forget(int data_dir, int run_dir, const char *name, struct cor_error *err);

struct net_repairs {
	unsigned networks; /* that are up, and whose rules were written anew */
	unsigned removed;  /* that were left by the dead, and are gone now */
};
/* Makes the kernel what it should be, whoever disturbed it: sweeps, makes lost bridges anew, writes all rules, starts dnsmasq where it is gone. */
int net_repair(int run_dir, struct net_repairs *ret, struct cor_error *err);
