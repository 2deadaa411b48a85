/* SPDX-License-Identifier: Apache-2.0 */
/* Network devices of the host, by rtnetlink. `netlink` is a socket of base/netlink.h; all return 0 or -errno. */
#pragma once

#include "net/address.h"

/* An index, or -ENODEV. */
int link_index(const char *name);

/* A bridge that learns and forwards at once (no spanning tree, which would hold a new port back for half a minute). -EEXIST. */
int link_make_bridge(int netlink, const char *name, const uint8_t mac[6], uint32_t mtu);
int link_add_address(int netlink, int index, const struct net_prefix *address);
int link_set_up(int netlink, int index, bool up);
/* False also for one that is not there. */
bool link_is_up(const char *name);
/* Makes the device a port of the bridge, with the bridge's MTU and no IPv6 address of the host's own on it. */
int link_join_bridge(int netlink, int index, int bridge, uint32_t mtu);
/* Says once for all who is behind a port of a bridge: the bridge learns nothing from it, and sends it nothing that is for nobody known. */
int link_pin(int netlink, int index, const uint8_t mac[6]);
/* Who has an address behind a bridge, without asking: a guest that does not answer would keep what waits for its answer, and with it the sender's room.
 * known: false takes it back. */
int link_neighbour(int netlink, int bridge, const struct net_prefix *address, const uint8_t mac[6],
		   bool known);
/* What is gone already is no error. */
int link_remove(int netlink, const char *name);

/* The destinations of the host's routes, both families, but for default routes and those of the device named `except` (may be NULL). The caller frees
 * *ret. */
int link_routes(int netlink, const char *except, struct net_prefix **ret, size_t *ret_count);

/* A device with a link-local IPv6 address, that of the default route if it has one; *ret_index is 0 where there is none. *ret_leads_out: there is a default route. */
int link_find_v6(int netlink, int *ret_index, bool *ret_leads_out);
