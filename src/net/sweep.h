/* SPDX-License-Identifier: Apache-2.0 */
/* What shims that died left in a network: they gave their leases back by dying, and everything else is taken from them here. */
#pragma once

#include "net/firewall.h"
#include "net/state.h"

#include <jansson.h>

struct sweep {
	struct net_state *state;
	struct net_active *active;
	char table[FIREWALL_TABLE_SIZE];
	json_t *commands;   /* of nft: the rules of the dead go */
	struct lease *held; /* by the living */
	size_t count;
	uint32_t *dead; /* numbers */
	size_t dead_count;
	bool published; /* one of the dead did */
};

/* Looks at all leases of the network. 0 or -errno; *ret, empty before, is to be released either way. */
int sweep_leases(struct net_state *state, struct net_active *active, struct sweep *ret);
/* Once the commands were applied: nothing is left of the dead. */
void sweep_forget(struct sweep *sweep);
void sweep_release(struct sweep *sweep);
