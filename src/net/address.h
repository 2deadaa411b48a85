/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, subnets and MAC addresses: pure arithmetic and text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NET_TEXT_SIZE 52 /* the longest IPv6 address, "/128" and a NUL */
#define MAC_TEXT_SIZE 18

/* An address with the length of its prefix: a subnet where all bits behind the prefix are zero. Empty (no such family) when family is 0. */
struct net_prefix {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	uint8_t length;
};

static inline size_t net_size(const struct net_prefix *p)
{
	return p->family == AF_INET ? 4 : p->family == AF_INET6 ? 16 : 0;
}

/* "10.0.0.2/24", "fd00::/64"; without a slash the whole address. 0 or -EINVAL. */
int net_prefix_parse(const char *text, struct net_prefix *ret);
/* With "/24" and without. Return out; the empty one gives "". */
char *net_prefix_format(const struct net_prefix *prefix, char out[NET_TEXT_SIZE]);
char *net_address_format(const struct net_prefix *prefix, char out[NET_TEXT_SIZE]);

bool net_prefix_is_subnet(const struct net_prefix *prefix);
/* The subnet that it lies in. */
struct net_prefix net_prefix_subnet(const struct net_prefix *prefix);
bool net_prefix_overlap(const struct net_prefix *a, const struct net_prefix *b);
bool net_address_equal(const struct net_prefix *a, const struct net_prefix *b);

/* The address that is `number` behind the subnet's own, with the subnet's length. */
struct net_prefix net_prefix_host(const struct net_prefix *subnet, uint32_t number);
/* The reverse: -ERANGE for an address outside, or further in than a number tells. */
int net_prefix_number(const struct net_prefix *subnet, const struct net_prefix *address, uint32_t *ret);
/* The last number that a host may have: not the broadcast address, and no more than NET_HOSTS_MAX. 0 where there is none. */
uint32_t net_prefix_last(const struct net_prefix *subnet);
#define NET_HOSTS_MAX 65534u

/* "52:54:00:12:34:56": 0 or -EINVAL, also for addresses of groups. */
int mac_parse(const char *text, uint8_t ret[6]);
char *mac_format(const uint8_t mac[6], char out[MAC_TEXT_SIZE]);
/* The address that a device with this MAC gives itself: fe80::/64 and the modified EUI-64 (RFC 4291, appendix A). */
struct net_prefix mac_link_local(const uint8_t mac[6]);
