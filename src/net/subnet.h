/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses a network gets when nobody says. Pure: the caller knows what is taken. */
#pragma once

#include "net/address.h"

/* The first of the subnets that networks are made of (10.209.0.0/24 and on to 10.223.255.0/24) that overlaps none that is taken. -ENOSPC. */
int subnet_choose(const struct net_prefix *taken, size_t count, struct net_prefix *ret);

/* A unique local /64 (RFC 4193) of 40 random bits; -EEXIST when it is taken all the same. */
int subnet_make_v6(const uint8_t random[5], const struct net_prefix *taken, size_t count,
		   struct net_prefix *ret);

/* The one of `taken` that overlaps it, or NULL. */
const struct net_prefix *subnet_find_overlap(const struct net_prefix *subnet, const struct net_prefix *taken,
					     size_t count);
