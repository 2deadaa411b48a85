/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that are named are bound first, so that none of them is chosen for one that may have any. */
#include "net/held.h"

#include "base/json.h"
#include "net/nft.h"
#include "net/published.h"
#include "net/rules.h"
#include "net/state.h"

#include <errno.h>
#include <netinet/in.h>

#define BACKLOG      512
#define CHOICE_TRIES 64 /* of a port that is free in one family and not in the other */

void held_ports_release(struct held_ports *held)
{
	for (size_t i = 0; i < held->count; i++)
		close_fd(&held->items[i].fd);
	free(held->items);
	*held = (struct held_ports){0};
}

struct publish_list held_ports_list(const struct held_ports *held)
{
	struct publish_list list = {.items = xcalloc(held->count + 1, sizeof(*list.items))};

	for (; list.count < held->count; list.count++)
		list.items[list.count] = held->items[list.count].publish;
	return list;
}

struct publish_list held_ports_chosen(const struct held_ports *held)
{
	struct publish_list list = {.items = xcalloc(held->count + 1, sizeof(*list.items))};

	for (size_t i = 0; i < held->count; i++) {
		struct publish publish = held->items[i].publish;

		if (held->items[i].every)
			publish.address = (struct net_prefix){0};
		/* The two of one port follow each other. */
		if (!i || !held->items[i].every || !held->items[i - 1].every ||
		    !publish_overlap(&publish, &list.items[list.count - 1]))
			list.items[list.count++] = publish;
	}
	return list;
}

/* ---- one socket ---- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill(const struct net_prefix *address, uint16_t port, union address *ret)
{
	*ret = (union address){0};
	ret->any.sa_family = (sa_family_t)address->family;
	if (address->family == AF_INET) {
		ret->v4.sin_port = htons(port);
		memcpy(&ret->v4.sin_addr, address->bytes, 4);
		return sizeof(ret->v4);
	}
	ret->v6.sin6_port = htons(port);
	memcpy(&ret->v6.sin6_addr, address->bytes, 16);
	return sizeof(ret->v6);
}

static int prepare(int fd, int family, bool tcp)
{
	int on = 1, r = 0;

	if (family == AF_INET6)
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Connections of before that linger do not hold a port. For UDP it would mean that two may have one. */
	if (r == 0 && tcp)
		r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (r == 0 && !tcp)
		r = family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on))
				       : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	return r < 0 ? -errno : 0;
}

/* *port 0: any, and which is told. */
static int bind_one(const struct net_prefix *address, uint8_t protocol, uint16_t *port, int *ret_fd)
{
	bool tcp = protocol == IPPROTO_TCP;
	_fd_ int fd =
		socket(address->family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union address bound;
	socklen_t size = fill(address, *port, &bound);
	int r = fd < 0 ? -errno : prepare(fd, address->family, tcp);

	if (r < 0)
		return r;
	/* Two may bind one port with SO_REUSEADDR, but only one can listen. */
	if (bind(fd, &bound.any, size) < 0 || (tcp && listen(fd, BACKLOG) < 0) ||
	    getsockname(fd, &bound.any, &size) < 0)
		return -errno;
	*port = ntohs(address->family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* ---- one port ---- */

static void add(struct held_ports *held, const struct publish *publish, const struct net_prefix *address,
		uint16_t port, int fd)
{
	struct held_port *item;

	held->items = xreallocarray(held->items, held->count + 1, sizeof(*held->items));
	item = &held->items[held->count++];
	*item = (struct held_port){.publish = *publish, .every = !publish->address.family, .fd = fd};
	item->publish.address = *address;
	item->publish.host_port = item->publish.host_last = port;
}

static void drop(struct held_ports *held, size_t count)
{
	while (held->count > count)
		close_fd(&held->items[--held->count].fd);
}

static bool has_no_such_family(int r)
{
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL;
}

/* The port on all addresses that are meant. */
static int try_port(const struct publish *publish, uint16_t port, struct held_ports *held)
{
	const struct net_prefix every[] = {{.family = AF_INET, .length = 32},
					   {.family = AF_INET6, .length = 128}};
	bool all = !publish->address.family;
	size_t before = held->count;
	int r = 0;

	for (size_t i = 0; i < (all ? ARRAY_SIZE(every) : 1); i++) {
		const struct net_prefix *address = all ? &every[i] : &publish->address;
		int fd = -1;

		r = bind_one(address, publish->protocol, &port, &fd);
		if (r == 0)
			add(held, publish, address, port, fd);
		else if (!all || !has_no_such_family(r))
			break;
	}
	if (r == 0 || (all && has_no_such_family(r) && held->count > before))
		return 0;
	drop(held, before);
	return r;
}

static int try_ports(const struct publish *publish, struct held_ports *held)
{
	int r = -EADDRINUSE;

	if (!publish->host_port)
		for (int tries = 0; r == -EADDRINUSE && tries < CHOICE_TRIES; tries++)
			r = try_port(publish, 0, held);
	else
		for (unsigned port = publish->host_port; r == -EADDRINUSE && port <= publish->host_last;
		     port++)
			r = try_port(publish, (uint16_t)port, held);
	return r;
}

static int explain(const struct publish *publish, int r, struct cor_error *err)
{
	char text[PUBLISH_TEXT_SIZE], address[NET_TEXT_SIZE];

	publish_format(publish, text);
	if (r == -EADDRINUSE && publish->host_last > publish->host_port)
		return cor_fail(err, COR_BUSY, EADDRINUSE, "all ports of the host from %s to %u are in use",
				text, publish->host_last);
	if (r == -EADDRINUSE)
		return cor_fail(err, COR_BUSY, EADDRINUSE,
				"port %s of the host is in use, by another container or program", text);
	if (r == -EADDRNOTAVAIL)
		return cor_fail(err, COR_INVALID, EADDRNOTAVAIL,
				"the host has no address %s to publish a port on",
				net_address_format(&publish->address, address));
	if (r == -EACCES)
		return cor_fail(err, COR_PERMISSION, EACCES,
				"port %s of the host is for root only: take one from 1024 on", text);
	return cor_fail_errno(err, r, "port %s of the host", text);
}

int held_ports_bind(const struct publish_list *wanted, struct held_ports *ret, struct cor_error *err)
{
	_held_ports_ struct held_ports held = {0};

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < wanted->count; i++) {
			const struct publish *publish = &wanted->items[i];
			bool named = publish->host_port && publish->host_port == publish->host_last;
			int r = named == (pass == 0) ? try_ports(publish, &held) : 0;

			if (r < 0)
				return explain(publish, r, err);
		}
	*ret = held;
	held = (struct held_ports){0};
	return 0;
}

/* ---- the rules ---- */

int held_ports_connect(int run_dir, const struct net_port *port, const struct held_ports *held,
		       struct cor_error *err)
{
	_publish_list_ struct publish_list list = held_ports_list(held);
	_json_ json_t *commands = json_array();
	struct net_active active;
	struct net_state state;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	r = net_state_find(&state, port->network, &active, err);
	if (r == 0) {
		r = published_write(active.dir, port->lease.number, &list);
		if (r < 0)
			cor_fail_errno(err, r, "the record of published ports");
		if (r == 0) {
			rules_publish(&state, commands);
			r = nft_apply(commands, state.lock, err);
		}
		net_active_release(&active);
	}
	net_state_release(&state);
	return r;
}
