/* SPDX-License-Identifier: Apache-2.0 */
/* The range is one that few use: home routers live in 192.168, clouds and Docker in 172.16/12, most offices low in 10. */
#include "net/subnet.h"

#include <errno.h>
#include <string.h>

#define FIRST  209
#define LAST   223
#define LENGTH 24

const struct net_prefix *subnet_find_overlap(const struct net_prefix *subnet, const struct net_prefix *taken,
					     size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (net_prefix_overlap(subnet, &taken[i]))
			return &taken[i];
	return NULL;
}

int subnet_choose(const struct net_prefix *taken, size_t count, struct net_prefix *ret)
{
	for (unsigned n = FIRST << 8; n <= (LAST << 8 | 0xff); n++) {
		struct net_prefix subnet = {
			.family = AF_INET, .bytes = {10, (uint8_t)(n >> 8), (uint8_t)n, 0}, .length = LENGTH};

		if (subnet_find_overlap(&subnet, taken, count))
			continue;
		*ret = subnet;
		return 0;
	}
	return -ENOSPC;
}

int subnet_make_v6(const uint8_t random[5], const struct net_prefix *taken, size_t count,
		   struct net_prefix *ret)
{
	struct net_prefix subnet = {.family = AF_INET6, .bytes = {0xfd}, .length = 64};

	memcpy(subnet.bytes + 1, random, 5);
	if (subnet_find_overlap(&subnet, taken, count))
		return -EEXIST;
	*ret = subnet;
	return 0;
}
