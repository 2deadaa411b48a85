/* SPDX-License-Identifier: Apache-2.0 */
#include "net/bridge.h"

#include "base/netlink.h"
#include "net/forwarding.h"
#include "net/link.h"
#include "net/subnet.h"

#include <errno.h>

int bridge_check_routes(struct net_state *state, const struct net_active *active, struct cor_error *err)
{
	const struct net_prefix *subnets[] = {&active->network.v4, &active->network.v6}, *other;
	_free_ struct net_prefix *routes = NULL;
	char ours[NET_TEXT_SIZE], theirs[NET_TEXT_SIZE];
	size_t count = 0;
	int r = link_routes(state->netlink, active->bridge, &routes, &count);

	if (r < 0)
		return cor_fail_errno(err, r, "the host's routes");
	for (size_t i = 0; i < ARRAY_SIZE(subnets); i++) {
		other = subnets[i]->family ? subnet_find_overlap(subnets[i], routes, count) : NULL;
		if (other)
			return cor_fail(
				err, COR_BUSY, EADDRINUSE,
				"subnet %s overlaps the host's route to %s, which is there since: remove "
				"the network and make it anew",
				net_prefix_format(subnets[i], ours), net_prefix_format(other, theirs));
	}
	return 0;
}

int bridge_make(struct net_state *state, struct net_active *active, struct cor_error *err)
{
	const struct network *network = &active->network;
	struct net_prefix v4 = net_prefix_host(&network->v4, NETWORK_GATEWAY), v6;
	bool has_v6 = network->v6.family != 0;
	uint8_t mac[6];
	int index, r;

	net_bridge_mac(active->bridge, mac);
	r = link_remove(state->netlink, active->bridge);
	r = r ?: link_make_bridge(state->netlink, active->bridge, mac, 0);
	if (r == -EOPNOTSUPP)
		return cor_fail(
			err, COR_UNSUPPORTED, EOPNOTSUPP,
			"the host's kernel makes no bridges (CONFIG_BRIDGE): load its module 'bridge'");
	index = r < 0 ? r : link_index(active->bridge);
	if (index < 0)
		return cor_fail_errno(err, index, "cannot make the bridge %s", active->bridge);
	forwarding_prepare_bridge(active->bridge, has_v6);
	r = link_add_address(state->netlink, index, &v4);
	if (r == 0 && has_v6) {
		v6 = net_prefix_host(&network->v6, NETWORK_GATEWAY);
		r = link_add_address(state->netlink, index, &v6);
	}
	r = r ?: link_set_up(state->netlink, index, true);
	if (r == 0 && !network->internal)
		r = forwarding_enable(has_v6);
	return r < 0 ? cor_fail_errno(err, r, "the bridge %s", active->bridge) : 0;
}
