/* SPDX-License-Identifier: Apache-2.0 */
/* The host as a router between its networks and the world. */
#pragma once

#include <stdbool.h>

/* What the host's kernel is to do on a bridge of ours: it takes no advice from routers there, since a guest could be one. */
void forwarding_prepare_bridge(const char *bridge, bool v6);

/* Lets packets be forwarded. Devices that learn their routes from routers go on doing so, which a router usually does not. 0 or -errno. */
int forwarding_enable(bool v6);
