/* SPDX-License-Identifier: Apache-2.0 */
#include "net/watch.h"

#include "base/log.h"
#include "base/netlink.h"
#include "net/child.h"
#include "net/state.h"
#include "net/use.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#define BRIDGE       1u
#define INET         2u
#define MESSAGES_MAX 64 /* at once, before others have their turn */

int net_watch_open(int run_dir, struct net_watch *ret)
{
	const struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = 1u << (NFNLGRP_NFTABLES - 1)};
	struct net_watch watch = {.fd = netlink_open_protocol(NETLINK_NETFILTER)};
	int r = watch.fd < 0 ? watch.fd : net_table_of(run_dir, watch.table);

	if (r == 0 && bind(watch.fd, (const struct sockaddr *)&group, sizeof(group)) < 0)
		r = -errno;
	if (r < 0) {
		net_watch_close(&watch);
		return r;
	}
	*ret = watch;
	return 0;
}

void net_watch_close(struct net_watch *watch)
{
	close_fd(&watch->fd);
}

static unsigned family_bit(const struct nfgenmsg *message)
{
	return message->nfgen_family == NFPROTO_BRIDGE ? BRIDGE
	       : message->nfgen_family == NFPROTO_INET ? INET
						       : 0;
}

static void hear(struct net_watch *watch, const struct nlmsghdr *header)
{
	const struct nfgenmsg *message = NLMSG_DATA(header);
	const struct rtattr *name;
	size_t length = strlen(watch->table) + 1;

	if (header->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE) &&
	    header->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE))
		return;
	name = netlink_find(header, sizeof(*message), NFTA_TABLE_NAME);
	if (!name || RTA_PAYLOAD(name) != length || memcmp(RTA_DATA(name), watch->table, length) != 0)
		return;
	if ((header->nlmsg_type & 0xff) == NFT_MSG_DELTABLE)
		watch->gone |= family_bit(message);
	else
		watch->gone &= ~family_bit(message);
}

bool net_watch_read(struct net_watch *watch)
{
	struct nlmsghdr room[8192 / sizeof(struct nlmsghdr)];

	for (int i = 0; i < MESSAGES_MAX; i++) {
		ssize_t n = recv(watch->fd, room, sizeof(room), MSG_DONTWAIT);

		/* More has happened than could be told. */
		if (n < 0 && errno == ENOBUFS)
			watch->gone = BRIDGE | INET;
		if (n <= 0)
			break;
		for (size_t at = 0; (size_t)n - at >= NLMSG_HDRLEN;) {
			const struct nlmsghdr *header = (const void *)((const char *)room + at);

			if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > (size_t)n - at)
				break;
			hear(watch, header);
			at += MIN(NLMSG_ALIGN(header->nlmsg_len), (size_t)n - at);
		}
	}
	return watch->gone != 0;
}

static void repair(void *context)
{
	struct net_repairs repairs;
	struct cor_error err;

	if (net_repair(*(const int *)context, &repairs, &err) < 0)
		log_warning("%s", err.msg);
}

int net_watch_repair(int run_dir)
{
	return child_carry_on(repair, &run_dir, &run_dir, 1);
}
