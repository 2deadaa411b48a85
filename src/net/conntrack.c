/* SPDX-License-Identifier: Apache-2.0 */
/* By ctnetlink: all of one family are listed, and those that are ours deleted one by one. The kernel could filter by itself, but not before Linux 5.8, and where
 * it does not know how it would delete everything. */
#include "net/conntrack.h"

#include "base/macro.h"
#include "base/netlink.h"
#include "base/str.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define TUPLE_MAX 256u

struct tuple {
	uint8_t bytes[TUPLE_MAX];
	size_t size;
};

struct search {
	const struct net_prefix *address;
	struct tuple *found;
	size_t count;
};

/* An attribute within another. */
static const struct rtattr *find_in(const struct rtattr *nest, uint16_t type)
{
	const uint8_t *p = RTA_DATA(nest), *end = (const uint8_t *)nest + nest->rta_len;

	while (end - p >= (ptrdiff_t)sizeof(struct rtattr)) {
		const struct rtattr *attribute = (const void *)p;

		if (!RTA_OK(attribute, (size_t)(end - p)))
			return NULL;
		if ((attribute->rta_type & NLA_TYPE_MASK) == type)
			return attribute;
		p += RTA_ALIGN(attribute->rta_len);
	}
	return NULL;
}

/* Who answers. */
static bool is_from(const struct rtattr *reply, const struct net_prefix *address)
{
	const struct rtattr *ip = find_in(reply, CTA_TUPLE_IP);
	const struct rtattr *source =
		ip ? find_in(ip, address->family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC) : NULL;

	return source && RTA_PAYLOAD(source) == net_size(address) &&
	       memcmp(RTA_DATA(source), address->bytes, net_size(address)) == 0;
}

static void look(const struct nlmsghdr *header, void *context)
{
	const struct rtattr *original = netlink_find(header, sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
	const struct rtattr *reply = netlink_find(header, sizeof(struct nfgenmsg), CTA_TUPLE_REPLY);
	struct search *search = context;
	struct tuple *tuple;

	if (!original || !reply || RTA_PAYLOAD(original) > TUPLE_MAX || !is_from(reply, search->address))
		return;
	search->found = xreallocarray(search->found, search->count + 1, sizeof(*search->found));
	tuple = &search->found[search->count++];
	tuple->size = RTA_PAYLOAD(original);
	memcpy(tuple->bytes, RTA_DATA(original), tuple->size);
}

static void begin(struct netlink_message *message, uint8_t operation, const struct net_prefix *address)
{
	struct nfgenmsg body = {.nfgen_family = (uint8_t)address->family, .version = NFNETLINK_V0};

	netlink_begin(message, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | operation), 0, &body, sizeof(body));
}

int conntrack_forget(const struct net_prefix *address)
{
	_fd_ int fd = netlink_open_protocol(NETLINK_NETFILTER);
	struct search search = {.address = address};
	struct netlink_message message;
	int r;

	if (fd < 0)
		return fd;
	begin(&message, IPCTNL_MSG_CT_GET, address);
	r = netlink_dump(fd, &message, look, &search);
	for (size_t i = 0; r == 0 && i < search.count; i++) {
		begin(&message, IPCTNL_MSG_CT_DELETE, address);
		netlink_put(&message, CTA_TUPLE_ORIG | NLA_F_NESTED, search.found[i].bytes,
			    search.found[i].size);
		/* It may have ended by itself meanwhile. */
		(void)netlink_request(fd, &message);
	}
	free(search.found);
	return r;
}
