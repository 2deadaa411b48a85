/* SPDX-License-Identifier: Apache-2.0 */
/* The network of those who may not make bridges: passt(1), a program of its own that turns a guest's packets into sockets of the user's. It gives the way out and
 * published ports; nobody reaches the container otherwise, and it has no neighbours.
 *
 *   VMM ◄──line──► two guards (net/guard.h), which may read and write and nothing else ◄──► passt
 *
 * All three are children of the caller and end with it; passt ends when its line does. */
#pragma once

#include "net/port.h"
#include "net/publish.h"
#include "net/resolvers.h"

#include <sys/types.h>

struct net_process {
	pid_t pid; /* 0: none */
	int pidfd; /* readable: it has ended */
};
#define NET_USER_PROCESSES 3

struct net_user {
	struct net_process processes[NET_USER_PROCESSES]; /* the guards, then passt */
	int messages;                                     /* a pipe: what passt has to say to people */
	struct resolvers resolvers;                       /* for the guest */
};

struct net_user_wish {
	const struct net_request
		*request; /* mac= and mtu=; COR_INVALID for the rest, which has no sense here */
	const struct net_member *member;
	const struct publish_list *ports; /* whose host ports are chosen; may be NULL */
	uid_t uid;                        /* passt's own when we are root */
};

/* Starts all and waits until passt is ready, for milliseconds. *port gets addresses and, as `tap`, the line for the VMM: a connected socket. COR_INVALID,
 * COR_UNSUPPORTED, COR_UNAVAILABLE with what passt said. */
int net_user_join(const struct net_user_wish *wish, struct net_port *ret_port, struct net_user *ret,
		  struct cor_error *err);
/* Kills, reaps and releases. Twice is fine, and so is one that is all zero. */
void net_user_leave(struct net_user *user);

/* COR_INVALID for what has no sense in a network without neighbours: ip=, ip6=, alias=. */
int net_user_check(const struct net_request *request, struct cor_error *err);

/* 0 if passt can be run here; COR_UNSUPPORTED with what is missing. Takes a millisecond. */
int net_user_usable(struct cor_error *err);
