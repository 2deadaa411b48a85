/* SPDX-License-Identifier: Apache-2.0 */
/* What shims that died left in a network: they gave their leases back by dying, and everything else is taken from them here. */
#pragma once

#include "net/state.h"

#include <jansson.h>

struct sweep {
	/* Set by the caller. */
	struct net_state *state;
	struct net_active *active;
	json_t *commands; /* of nft: the rules of the dead go */
	const char *table;

	struct lease *held; /* by the living */
	size_t count;
	uint32_t *dead; /* numbers */
	size_t dead_count;
	bool published; /* one of the dead did */
};

/* Looks at all leases of the network. 0 or -errno. */
int sweep_leases(struct sweep *sweep);
/* Once the commands were applied: nothing is left of the dead. */
void sweep_forget(struct sweep *sweep);
void sweep_release(struct sweep *sweep);
