/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a network that containers use. */
#pragma once

#include "net/state.h"

#include <jansson.h>

/* Brings it up where it is not, but for what net_state_rule does; sweeps what the dead left. */
int net_state_up(struct net_state *state, const struct network *network, struct net_active *ret,
		 struct cor_error *err);
/* Applies `commands`, and with them the rules of all networks where this one's are not among them; starts its dnsmasq where none lives. To be called before a port goes up. Names
 * that cannot be served are no failure: *ret_names is why (0: they are). */
int net_state_rule(struct net_state *state, struct net_active *active, json_t *commands, int *ret_names,
		   struct cor_error *err);
/* Sweeps, and takes it down when no lease is held. *ret_held: how many leases are held. */
int net_state_settle(struct net_state *state, struct net_active *active, unsigned *ret_held,
		     struct cor_error *err);
/* Of one that is in use: all its rules anew, its bridge if it was lost, its dnsmasq if it died. */
int net_state_restore(struct net_state *state, struct net_active *active, struct cor_error *err);
/* Whether the host's own resolver is told of it (net/resolved.h), now and whenever its bridge is made. */
void net_state_wish_resolved(const struct net_active *active, bool wished);
