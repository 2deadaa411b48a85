/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include "base/size.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int net_prefix_parse(const char *text, struct net_prefix *ret)
{
	size_t length = strcspn(text, "/");
	_free_ char *address = xstrndup(text, MIN(length, (size_t)NET_TEXT_SIZE));
	struct net_prefix parsed = {.family = strchr(address, ':') ? AF_INET6 : AF_INET};
	int64_t bits = parsed.family == AF_INET6 ? 128 : 32;

	if (inet_pton(parsed.family, address, parsed.bytes) != 1 ||
	    (text[length] && number_parse(text + length + 1, 0, bits, &bits) < 0))
		return -EINVAL;
	parsed.length = (uint8_t)bits;
	*ret = parsed;
	return 0;
}

char *net_address_format(const struct net_prefix *prefix, char out[NET_TEXT_SIZE])
{
	if (!prefix->family || !inet_ntop(prefix->family, prefix->bytes, out, NET_TEXT_SIZE))
		out[0] = '\0';
	return out;
}

char *net_prefix_format(const struct net_prefix *prefix, char out[NET_TEXT_SIZE])
{
	size_t used = strlen(net_address_format(prefix, out));

	if (used)
		snprintf(out + used, NET_TEXT_SIZE - used, "/%u", prefix->length);
	return out;
}

/* The first `length` bits are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned length)
{
	unsigned rest = length % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	return memcmp(a, b, length / 8) == 0 && (!rest || ((a[length / 8] ^ b[length / 8]) & mask) == 0);
}

struct net_prefix net_prefix_subnet(const struct net_prefix *prefix)
{
	struct net_prefix subnet = *prefix;

	for (unsigned i = prefix->length; i < 8 * net_size(prefix); i++)
		subnet.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return subnet;
}

bool net_prefix_is_subnet(const struct net_prefix *prefix)
{
	struct net_prefix subnet = net_prefix_subnet(prefix);

	return net_address_equal(prefix, &subnet);
}

bool net_prefix_overlap(const struct net_prefix *a, const struct net_prefix *b)
{
	return a->family && a->family == b->family &&
	       same_bits(a->bytes, b->bytes, MIN(a->length, b->length));
}

bool net_address_equal(const struct net_prefix *a, const struct net_prefix *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, net_size(a)) == 0;
}

struct net_prefix net_prefix_host(const struct net_prefix *subnet, uint32_t number)
{
	struct net_prefix host = *subnet;

	for (size_t i = net_size(subnet); number && i-- > 0; number >>= 8) {
		unsigned sum = host.bytes[i] + (number & 0xff);

		host.bytes[i] = (uint8_t)sum;
		if (sum > 0xff)
			number += 0x100;
	}
	return host;
}

int net_prefix_number(const struct net_prefix *subnet, const struct net_prefix *address, uint32_t *ret)
{
	size_t size = net_size(subnet);
	uint64_t number = 0;

	if (!size || subnet->family != address->family ||
	    !same_bits(subnet->bytes, address->bytes, subnet->length))
		return -ERANGE;
	for (size_t i = 0; i < size; i++) {
		number = number << 8 | (uint8_t)(address->bytes[i] ^ subnet->bytes[i]);
		if (number > UINT32_MAX)
			return -ERANGE;
	}
	*ret = (uint32_t)number;
	return 0;
}

uint32_t net_prefix_last(const struct net_prefix *subnet)
{
	unsigned bits = (unsigned)(8 * net_size(subnet)) - subnet->length;

	if (!net_size(subnet) || bits < 2)
		return 0;
	return bits >= 16 ? NET_HOSTS_MAX : (1u << bits) - 2;
}

/* ---- MAC addresses ---- */

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)((p - digits) % 16) : -1;
}

int mac_parse(const char *text, uint8_t ret[6])
{
	uint8_t parsed[6], any = 0;

	if (strlen(text) != 17)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		parsed[i] = (uint8_t)(high << 4 | low);
		any |= parsed[i];
	}
	if (parsed[0] & 1 || !any)
		return -EINVAL;
	memcpy(ret, parsed, sizeof(parsed));
	return 0;
}

char *mac_format(const uint8_t mac[6], char out[MAC_TEXT_SIZE])
{
	snprintf(out, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
	return out;
}

struct net_prefix mac_link_local(const uint8_t mac[6])
{
	return (struct net_prefix){.family = AF_INET6,
				   .length = 64,
				   .bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff,
					     0xfe, mac[3], mac[4], mac[5]}};
}
