/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge of a network. */
#pragma once

#include "net/state.h"

/* COR_BUSY where the host has got a route, since the network was made, that its subnets overlap. */
int bridge_check_routes(struct net_state *state, const struct net_active *active, struct cor_error *err);
/* Makes it anew, with the network's own addresses, and turns forwarding on where somebody is to get out. COR_UNSUPPORTED. */
int bridge_make(struct net_state *state, struct net_active *active, struct cor_error *err);
