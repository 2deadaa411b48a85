/* SPDX-License-Identifier: Apache-2.0 */
#include "net/link.h"

#include "base/netlink.h"
#include "base/str.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#define ROUTES_MAX 100000u

int link_index(const char *name)
{
	unsigned index = if_nametoindex(name);

	return index ? (int)index : -ENODEV;
}

static void put_text(struct netlink_message *message, uint16_t type, const char *text)
{
	netlink_put(message, type, text, strlen(text) + 1);
}

static void put_number(struct netlink_message *message, uint16_t type, uint32_t number)
{
	netlink_put(message, type, &number, sizeof(number));
}

static void put_byte(struct netlink_message *message, uint16_t type, uint8_t byte)
{
	netlink_put(message, type, &byte, sizeof(byte));
}

int link_make_bridge(int netlink, const char *name, const uint8_t mac[6], uint32_t mtu)
{
	struct netlink_message message;
	size_t info, data;

	netlink_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){0},
		      sizeof(struct ifinfomsg));
	put_text(&message, IFLA_IFNAME, name);
	/* Otherwise it changes with its ports, and guests would ask anew. */
	netlink_put(&message, IFLA_ADDRESS, mac, 6);
	if (mtu)
		put_number(&message, IFLA_MTU, mtu);
	info = netlink_nest(&message, IFLA_LINKINFO);
	put_text(&message, IFLA_INFO_KIND, "bridge");
	data = netlink_nest(&message, IFLA_INFO_DATA);
	put_number(&message, IFLA_BR_STP_STATE, 0);
	put_number(&message, IFLA_BR_FORWARD_DELAY, 0);
	/* Nobody here asks who listens to which group, so that snooping would only lose what neighbours ask. */
	put_byte(&message, IFLA_BR_MCAST_SNOOPING, 0);
	netlink_nest_end(&message, data);
	netlink_nest_end(&message, info);
	return netlink_request(netlink, &message);
}

int link_add_address(int netlink, int index, const struct net_prefix *address)
{
	struct ifaddrmsg info = {
		.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = address->length,
		.ifa_index = (uint32_t)index,
	};
	/* It is ours by decision, and a second of asking would be lost. */
	uint32_t flags = IFA_F_PERMANENT | IFA_F_NODAD;
	struct netlink_message message;

	netlink_begin(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	netlink_put(&message, IFA_LOCAL, address->bytes, net_size(address));
	netlink_put(&message, IFA_ADDRESS, address->bytes, net_size(address));
	netlink_put(&message, IFA_FLAGS, &flags, sizeof(flags));
	return netlink_request(netlink, &message);
}

int link_set_up(int netlink, int index, bool up)
{
	struct ifinfomsg info = {.ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
	struct netlink_message message;

	netlink_begin(&message, RTM_NEWLINK, 0, &info, sizeof(info));
	return netlink_request(netlink, &message);
}

bool link_is_up(const char *name)
{
	_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP;
}

/* The host speaks on the bridge, never on a port. */
static int be_silent(int netlink, int index)
{
	struct ifinfomsg info = {.ifi_index = index};
	struct netlink_message message;
	size_t families, inet6;

	netlink_begin(&message, RTM_NEWLINK, 0, &info, sizeof(info));
	families = netlink_nest(&message, IFLA_AF_SPEC);
	inet6 = netlink_nest(&message, AF_INET6);
	put_byte(&message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	netlink_nest_end(&message, inet6);
	netlink_nest_end(&message, families);
	return netlink_request(netlink, &message);
}

int link_join_bridge(int netlink, int index, int bridge, uint32_t mtu)
{
	struct ifinfomsg info = {.ifi_index = index};
	struct netlink_message message;

	/* A host without IPv6 has no such mode. */
	(void)be_silent(netlink, index);
	netlink_begin(&message, RTM_NEWLINK, 0, &info, sizeof(info));
	if (mtu)
		put_number(&message, IFLA_MTU, mtu);
	put_number(&message, IFLA_MASTER, (uint32_t)bridge);
	return netlink_request(netlink, &message);
}

static int set_port(int netlink, int index)
{
	struct ifinfomsg info = {.ifi_family = AF_BRIDGE, .ifi_index = index};
	struct netlink_message message;
	size_t port;

	netlink_begin(&message, RTM_SETLINK, 0, &info, sizeof(info));
	port = netlink_nest(&message, IFLA_PROTINFO | NLA_F_NESTED);
	put_byte(&message, IFLA_BRPORT_LEARNING, 0);
	put_byte(&message, IFLA_BRPORT_UNICAST_FLOOD, 0);
	netlink_nest_end(&message, port);
	return netlink_request(netlink, &message);
}

int link_pin(int netlink, int index, const uint8_t mac[6])
{
	struct ndmsg info = {.ndm_family = AF_BRIDGE,
			     .ndm_ifindex = index,
			     .ndm_state = NUD_NOARP, /* static; a permanent one would be the bridge's own */
			     .ndm_flags = NTF_MASTER};
	struct netlink_message message;
	int r = set_port(netlink, index);

	if (r < 0)
		return r;
	netlink_begin(&message, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	netlink_put(&message, NDA_LLADDR, mac, 6);
	return netlink_request(netlink, &message);
}

int link_neighbour(int netlink, int bridge, const struct net_prefix *address, const uint8_t mac[6],
		   bool known)
{
	struct ndmsg info = {
		.ndm_family = (uint8_t)address->family, .ndm_ifindex = bridge, .ndm_state = NUD_PERMANENT};
	struct netlink_message message;

	netlink_begin(&message, known ? RTM_NEWNEIGH : RTM_DELNEIGH, known ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		      &info, sizeof(info));
	netlink_put(&message, NDA_DST, address->bytes, net_size(address));
	netlink_put(&message, NDA_LLADDR, mac, 6);
	return netlink_request(netlink, &message);
}

int link_remove(int netlink, const char *name)
{
	struct ifinfomsg info = {.ifi_index = link_index(name)};
	struct netlink_message message;
	int r;

	if (info.ifi_index < 0)
		return 0;
	netlink_begin(&message, RTM_DELLINK, 0, &info, sizeof(info));
	r = netlink_request(netlink, &message);
	return r == -ENODEV ? 0 : r;
}

/* ---- routes ---- */

struct routes {
	struct net_prefix *items;
	size_t count;
	int except; /* a device */
};

static void add_route(const struct nlmsghdr *header, void *context)
{
	const struct rtmsg *route = NLMSG_DATA(header);
	const struct rtattr *to = netlink_find(header, sizeof(*route), RTA_DST);
	const struct rtattr *device = netlink_find(header, sizeof(*route), RTA_OIF);
	struct net_prefix prefix = {.family = route->rtm_family, .length = route->rtm_dst_len};
	struct routes *routes = context;

	if (header->nlmsg_type != RTM_NEWROUTE || !to || route->rtm_dst_len == 0 ||
	    routes->count == ROUTES_MAX || RTA_PAYLOAD(to) != net_size(&prefix))
		return;
	if (device && routes->except > 0 && memcmp(RTA_DATA(device), &routes->except, sizeof(int)) == 0)
		return;
	memcpy(prefix.bytes, RTA_DATA(to), RTA_PAYLOAD(to));
	routes->items = xreallocarray(routes->items, routes->count + 1, sizeof(*routes->items));
	routes->items[routes->count++] = prefix;
}

int link_routes(int netlink, const char *except, struct net_prefix **ret, size_t *ret_count)
{
	struct routes routes = {.except = except ? link_index(except) : 0};
	struct netlink_message dump;
	int r;

	netlink_begin(&dump, RTM_GETROUTE, 0, &(struct rtmsg){0}, sizeof(struct rtmsg));
	r = netlink_dump(netlink, &dump, add_route, &routes);
	if (r < 0) {
		free(routes.items);
		return r;
	}
	*ret = routes.items;
	*ret_count = routes.count;
	return 0;
}

/* ---- IPv6 ---- */

struct v6_search {
	int exit; /* the device of a default route */
	bool leads_out;
	int first; /* that has a link-local address */
	bool exit_is_fit;
};

static void find_default_route(const struct nlmsghdr *header, void *context)
{
	const struct rtmsg *route = NLMSG_DATA(header);
	const struct rtattr *device = netlink_find(header, sizeof(*route), RTA_OIF);
	struct v6_search *search = context;

	if (header->nlmsg_type != RTM_NEWROUTE || route->rtm_family != AF_INET6 || route->rtm_dst_len != 0 ||
	    route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED))
		return;
	search->leads_out = true;
	if (device && !search->exit)
		memcpy(&search->exit, RTA_DATA(device), sizeof(search->exit));
}

static void find_link_local(const struct nlmsghdr *header, void *context)
{
	const struct ifaddrmsg *address = NLMSG_DATA(header);
	struct v6_search *search = context;

	if (header->nlmsg_type != RTM_NEWADDR || address->ifa_scope != RT_SCOPE_LINK)
		return;
	search->exit_is_fit |= (int)address->ifa_index == search->exit;
	if (!search->first)
		search->first = (int)address->ifa_index;
}

int link_find_v6(int netlink, int *ret_index, bool *ret_leads_out)
{
	struct v6_search search = {0};
	struct netlink_message dump;
	int r;

	netlink_begin(&dump, RTM_GETROUTE, 0, &(struct rtmsg){.rtm_family = AF_INET6}, sizeof(struct rtmsg));
	r = netlink_dump(netlink, &dump, find_default_route, &search);
	if (r < 0)
		return r;
	netlink_begin(&dump, RTM_GETADDR, 0, &(struct ifaddrmsg){.ifa_family = AF_INET6},
		      sizeof(struct ifaddrmsg));
	r = netlink_dump(netlink, &dump, find_link_local, &search);
	if (r < 0)
		return r;
	*ret_index = search.exit_is_fit ? search.exit : search.first;
	*ret_leads_out = search.leads_out;
	return 0;
}
