/* SPDX-License-Identifier: Apache-2.0 */
/* The whole request is read before anything is touched. Routes of ours carry the protocol "static", so that the next call knows which to
 * take away; addresses of the devices that a call names are replaced. */
#include "init/network.h"

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "init/guest.h"
#include "base/netlink.h"
#include "init/network_text.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>

#define LINKS_MAX  256
#define LISTED_MAX 1024

struct link {
	int index;
	char name[IF_NAMESIZE];
	uint8_t mac[6], permanent_mac[6];
	unsigned flags;
};

struct links {
	struct link items[LINKS_MAX];
	size_t count;
};

/* ---- devices ---- */

static void copy_attribute(const struct nlmsghdr *header, uint16_t type, void *out, size_t size)
{
	const struct rtattr *attribute = netlink_find(header, sizeof(struct ifinfomsg), type);

	if (attribute)
		memcpy(out, RTA_DATA(attribute), MIN(size, (size_t)RTA_PAYLOAD(attribute)));
}

static void add_link(const struct nlmsghdr *header, void *context)
{
	const struct ifinfomsg *info = NLMSG_DATA(header);
	struct links *links = context;
	struct link *link = &links->items[links->count];

	if (header->nlmsg_type != RTM_NEWLINK || links->count == LINKS_MAX)
		return;
	*link = (struct link){.index = info->ifi_index, .flags = info->ifi_flags};
	copy_attribute(header, IFLA_IFNAME, link->name, sizeof(link->name) - 1);
	copy_attribute(header, IFLA_ADDRESS, link->mac, sizeof(link->mac));
	copy_attribute(header, IFLA_PERM_ADDRESS, link->permanent_mac, sizeof(link->permanent_mac));
	links->count++;
}

static int list_links(int fd, struct links *links)
{
	struct netlink_message message;

	links->count = 0;
	netlink_begin(&message, RTM_GETLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
	return netlink_dump(fd, &message, add_link, links);
}

/* A device that an earlier call gave another address is still found by its own. */
static struct link *find_link(struct links *links, const char *mac, struct cor_error *err)
{
	uint8_t bytes[6];
	bool loopback = strcmp(mac, "lo") == 0;

	if (!loopback && network_parse_mac(mac, bytes) < 0) {
		cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no MAC address", mac);
		return NULL;
	}
	for (size_t i = 0; i < links->count; i++) {
		struct link *link = &links->items[i];

		if (loopback ? strcmp(link->name, "lo") == 0
			     : memcmp(link->mac, bytes, 6) == 0 || memcmp(link->permanent_mac, bytes, 6) == 0)
			return link;
	}
	cor_fail(err, COR_NOT_FOUND, ENODEV, "this machine has no network device '%.64s'", mac);
	return NULL;
}

static int set_up(int fd, const struct link *link, bool up)
{
	struct ifinfomsg info = {
		.ifi_index = link->index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
	struct netlink_message message;

	netlink_begin(&message, RTM_NEWLINK, 0, &info, sizeof(info));
	return netlink_request(fd, &message);
}

/* Names and MAC addresses change only while the device is down. */
static int set_link(int fd, struct link *link, const Coracle__Agent__V1__Interface *wanted)
{
	struct ifinfomsg info = {.ifi_index = link->index};
	struct netlink_message message;
	bool rename = !str_empty(wanted->name) && strcmp(wanted->name, link->name) != 0;
	uint8_t mac[6];
	int r = 0;

	netlink_begin(&message, RTM_NEWLINK, 0, &info, sizeof(info));
	if (rename)
		netlink_put(&message, IFLA_IFNAME, wanted->name, strlen(wanted->name) + 1);
	if (wanted->mtu)
		netlink_put(&message, IFLA_MTU, &wanted->mtu, sizeof(wanted->mtu));
	if (!str_empty(wanted->new_mac) && network_parse_mac(wanted->new_mac, mac) == 0) {
		netlink_put(&message, IFLA_ADDRESS, mac, sizeof(mac));
		memcpy(link->mac, mac, sizeof(mac));
	}
	if (link->flags & IFF_UP && (rename || !str_empty(wanted->new_mac)))
		r = set_up(fd, link, false);
	if (r == 0 && message.header.nlmsg_len > NLMSG_LENGTH(sizeof(info)))
		r = netlink_request(fd, &message);
	if (r == 0 && rename)
		snprintf(link->name, sizeof(link->name), "%s", wanted->name);
	return r ?: set_up(fd, link, true);
}

/* ---- what an earlier call left ---- */

/* Messages of a dump that match, turned into requests to delete what they tell. */
struct removal {
	int index; /* of addresses: the device */
	struct netlink_message *items;
	size_t count;
};

static void keep_removal(struct removal *removal, const struct nlmsghdr *header, uint16_t type)
{
	struct netlink_message *item;

	if (removal->count == LISTED_MAX || header->nlmsg_len > sizeof(item->bytes))
		return;
	removal->items = xreallocarray(removal->items, removal->count + 1, sizeof(*removal->items));
	item = &removal->items[removal->count++];
	memcpy(item->bytes, header, header->nlmsg_len);
	item->header.nlmsg_type = type;
	item->header.nlmsg_flags = NLM_F_REQUEST;
}

/* Link-local and host addresses are the kernel's own. */
static void choose_address(const struct nlmsghdr *header, void *context)
{
	const struct ifaddrmsg *address = NLMSG_DATA(header);
	struct removal *removal = context;

	if (header->nlmsg_type == RTM_NEWADDR && (int)address->ifa_index == removal->index &&
	    address->ifa_scope != RT_SCOPE_HOST && address->ifa_scope != RT_SCOPE_LINK)
		keep_removal(removal, header, RTM_DELADDR);
}

static void choose_route(const struct nlmsghdr *header, void *context)
{
	const struct rtmsg *route = NLMSG_DATA(header);

	if (header->nlmsg_type == RTM_NEWROUTE && route->rtm_protocol == RTPROT_STATIC)
		keep_removal(context, header, RTM_DELROUTE);
}

static int remove_all(int fd, struct netlink_message *dump, struct removal *removal,
		      void (*choose)(const struct nlmsghdr *header, void *context))
{
	int r = netlink_dump(fd, dump, choose, removal);

	/* One may have gone with another: a route with its gateway, a second address with the first. */
	for (size_t i = 0; r == 0 && i < removal->count; i++)
		(void)netlink_request(fd, &removal->items[i]);
	free(removal->items);
	return r;
}

static int remove_addresses(int fd, const struct link *link)
{
	struct removal removal = {.index = link->index};
	struct netlink_message dump;

	netlink_begin(&dump, RTM_GETADDR, 0, &(struct ifaddrmsg){0}, sizeof(struct ifaddrmsg));
	return remove_all(fd, &dump, &removal, choose_address);
}

static int remove_routes(int fd)
{
	struct removal removal = {0};
	struct netlink_message dump;

	netlink_begin(&dump, RTM_GETROUTE, 0, &(struct rtmsg){0}, sizeof(struct rtmsg));
	return remove_all(fd, &dump, &removal, choose_route);
}

/* ---- addresses and routes ---- */

static int add_address(int fd, const struct link *link, const struct network_address *address)
{
	struct ifaddrmsg info = {
		.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = address->prefix,
		.ifa_index = (uint32_t)link->index,
	};
	/* Who gives out addresses knows that they are free; asking the neighbours would take a second. */
	uint32_t flags = IFA_F_PERMANENT | IFA_F_NODAD;
	struct netlink_message message;

	netlink_begin(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	netlink_put(&message, IFA_LOCAL, address->bytes, address->size);
	netlink_put(&message, IFA_ADDRESS, address->bytes, address->size);
	netlink_put(&message, IFA_FLAGS, &flags, sizeof(flags));
	return netlink_request(fd, &message);
}

/* The kernel would give it itself (RFC 4291, appendix A), but a second after the carrier is there and another one that asks the neighbours. */
static int add_link_local(int fd, const struct link *link)
{
	const uint8_t *mac = link->mac;
	struct network_address address = {
		.family = AF_INET6,
		.size = 16,
		.prefix = 64,
		.bytes = {0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]},
	};

	return add_address(fd, link, &address);
}

static int add_route(int fd, const struct network_address *to, const struct network_address *gateway,
		     int index)
{
	struct rtmsg info = {
		.rtm_family = (uint8_t)to->family,
		.rtm_dst_len = to->prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	struct netlink_message message;

	netlink_begin(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	if (to->prefix)
		netlink_put(&message, RTA_DST, to->bytes, to->size);
	if (gateway)
		netlink_put(&message, RTA_GATEWAY, gateway->bytes, gateway->size);
	if (index)
		netlink_put(&message, RTA_OIF, &index, sizeof(index));
	return netlink_request(fd, &message);
}

/* ---- the request ---- */

static int check_interface(const Coracle__Agent__V1__Interface *interface, struct cor_error *err)
{
	struct network_address address;
	uint8_t mac[6];

	if (strlen(interface->name) >= IF_NAMESIZE || strpbrk(interface->name, "/ \t\n"))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no name of a network device",
				interface->name);
	if (!str_empty(interface->new_mac) && network_parse_mac(interface->new_mac, mac) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no MAC address", interface->new_mac);
	for (size_t i = 0; i < interface->n_addresses; i++)
		if (network_parse_address(interface->addresses[i], &address) < 0)
			return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no address",
					interface->addresses[i]);
	return 0;
}

static int parse_route(const Coracle__Agent__V1__Route *route, struct network_address *to,
		       struct network_address *gateway, struct cor_error *err)
{
	bool is_default = strcmp(route->destination, "default") == 0;

	*to = *gateway = (struct network_address){.family = AF_INET, .size = 4};
	if (!str_empty(route->gateway) && network_parse_address(route->gateway, gateway) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no gateway", route->gateway);
	if (is_default)
		*to = (struct network_address){.family = gateway->family, .size = gateway->size};
	else if (network_parse_address(route->destination, to) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no destination", route->destination);
	if (!str_empty(route->gateway) && gateway->family != to->family)
		return cor_fail(err, COR_INVALID, EINVAL,
				"route to '%.64s': the gateway is of the other family", route->destination);
	if (str_empty(route->gateway) && str_empty(route->interface))
		return cor_fail(err, COR_INVALID, EINVAL,
				"route to '%.64s': a gateway or an interface is needed", route->destination);
	return 0;
}

static int check(const Coracle__Agent__V1__ConfigureNetworkRequest *request, struct links *links,
		 struct cor_error *err)
{
	struct network_address to, gateway;
	int r = 0;

	for (size_t i = 0; r == 0 && i < request->n_interfaces; i++) {
		r = check_interface(request->interfaces[i], err);
		if (r == 0 && !find_link(links, request->interfaces[i]->mac, err))
			r = -ENODEV;
	}
	for (size_t i = 0; r == 0 && i < request->n_routes; i++)
		r = parse_route(request->routes[i], &to, &gateway, err);
	return r;
}

static int configure_interface(int fd, struct links *links, const Coracle__Agent__V1__Interface *interface,
			       bool anew, struct cor_error *err)
{
	struct link *link = find_link(links, interface->mac, err);
	struct network_address address;
	bool v6 = false;
	int r = set_link(fd, link, interface);

	if (r == 0 && anew)
		r = remove_addresses(fd, link);
	for (size_t i = 0; r == 0 && i < interface->n_addresses; i++) {
		network_parse_address(interface->addresses[i], &address);
		r = add_address(fd, link, &address);
		v6 = v6 || address.family == AF_INET6;
	}
	if (r == 0 && v6 && !(link->flags & IFF_LOOPBACK))
		r = add_link_local(fd, link);
	return r < 0 ? cor_fail_errno(err, r, "network device '%s'", link->name) : 0;
}

static int configure_route(int fd, const struct links *links, const Coracle__Agent__V1__Route *route,
			   struct cor_error *err)
{
	struct network_address to, gateway;
	bool has_gateway = !str_empty(route->gateway);
	int index = 0, r = parse_route(route, &to, &gateway, err);

	for (size_t i = 0; i < links->count; i++)
		if (strcmp(links->items[i].name, route->interface) == 0)
			index = links->items[i].index;
	if (!str_empty(route->interface) && !index)
		return cor_fail(err, COR_NOT_FOUND, ENODEV, "route to '%.64s': no network device '%.64s'",
				route->destination, route->interface);
	r = r ?: add_route(fd, &to, has_gateway ? &gateway : NULL, index);
	/* "default" on a device alone is for both families. */
	if (r == 0 && !has_gateway && strcmp(route->destination, "default") == 0)
		r = add_route(fd, &(struct network_address){.family = AF_INET6, .size = 16}, NULL, index);
	return r < 0 ? cor_fail_errno(err, r, "route to '%.64s'", route->destination) : 0;
}

/* anew: an earlier call may have left something. To look for it in a guest that is new takes milliseconds of its start. */
static int configure(const Coracle__Agent__V1__ConfigureNetworkRequest *request, bool anew,
		     struct cor_error *err)
{
	_fd_ int fd = netlink_open();
	_free_ struct links *links = xcalloc(1, sizeof(*links));
	int r = fd < 0 ? fd : list_links(fd, links);

	if (r < 0)
		return cor_fail_errno(err, r, "network devices");
	r = check(request, links, err);
	if (r == 0 && anew) {
		r = remove_routes(fd);
		if (r < 0)
			return cor_fail_errno(err, r, "routes");
	}
	for (size_t i = 0; r == 0 && i < request->n_interfaces; i++)
		r = configure_interface(fd, links, request->interfaces[i], anew, err);
	for (size_t i = 0; r == 0 && i < request->n_routes; i++)
		r = configure_route(fd, links, request->routes[i], err);
	return r;
}

int network_configure(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		      struct cor_error *err)
{
	const Coracle__Agent__V1__ConfigureNetworkRequest *request = (const void *)message;
	struct guest *guest = service;
	bool anew = guest->networked;
	int r;

	guest->networked = true;
	r = configure(request, anew, err);
	if (r == 0 && !str_empty(request->hostname) &&
	    sethostname(request->hostname, strlen(request->hostname)) < 0)
		r = cor_fail_errno(err, errno, "host name '%.64s'", request->hostname);
	if (r == 0)
		guest_reply_empty(call);
	return r;
}
