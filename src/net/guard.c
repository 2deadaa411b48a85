/* SPDX-License-Identifier: Apache-2.0 */
#include "net/guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define ETHER_SIZE 14u
#define TYPE_IPV4  0x0800u
#define TYPE_ARP   0x0806u
#define TYPE_IPV6  0x86ddu
#define IPV4_SIZE  20u
#define IPV6_SIZE  40u
#define TCP_SIZE   20u
#define UDP_SIZE   8u
#define LENGTH     4u
#define TCP_SYN    0x02u
#define TCP_ACK    0x10u

/* What of a packet decides. */
struct packet {
	int family;
	const uint8_t *from, *to; /* addresses */
	size_t address_size;
	uint8_t protocol;
	const uint8_t *body; /* of the transport protocol, whose fixed header is there for TCP and UDP */
	size_t size;
};

static unsigned word(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* ---- taking apart ---- */

static bool parse_v4(const uint8_t *p, size_t size, struct packet *packet)
{
	size_t header = size < IPV4_SIZE ? 0 : (p[0] & 15u) * 4u;

	/* Neither "more fragments" nor an offset. */
	if (header < IPV4_SIZE || p[0] >> 4 != 4 || header > size || word(p + 6) & 0x3fff)
		return false;
	*packet = (struct packet){.family = AF_INET,
				  .from = p + 12,
				  .to = p + 16,
				  .address_size = 4,
				  .protocol = p[9],
				  .body = p + header,
				  .size = size - header};
	return true;
}

static bool parse_v6(const uint8_t *p, size_t size, struct packet *packet)
{
	if (size < IPV6_SIZE || p[0] >> 4 != 6)
		return false;
	*packet = (struct packet){.family = AF_INET6,
				  .from = p + 8,
				  .to = p + 24,
				  .address_size = 16,
				  .protocol = p[6],
				  .body = p + IPV6_SIZE,
				  .size = size - IPV6_SIZE};
	return true;
}

static bool parse(const uint8_t *frame, size_t size, struct packet *packet)
{
	const uint8_t *rest = frame + ETHER_SIZE;
	bool whole = word(frame + 12) == TYPE_IPV4 ? parse_v4(rest, size - ETHER_SIZE, packet)
						   : parse_v6(rest, size - ETHER_SIZE, packet);

	if (!whole)
		return false;
	return packet->protocol == IPPROTO_TCP   ? packet->size >= TCP_SIZE
	       : packet->protocol == IPPROTO_UDP ? packet->size >= UDP_SIZE
	       : packet->family == AF_INET       ? packet->protocol == IPPROTO_ICMP
						 : packet->protocol == IPPROTO_ICMPV6;
}

static bool is(const struct net_prefix *address, const struct packet *packet, const uint8_t *bytes)
{
	return address->family == packet->family && memcmp(address->bytes, bytes, packet->address_size) == 0;
}

/* ---- flows ---- */

/* A slot of the table, and what stands in it. Two that fall on one slot take it from each other. */
static uint32_t *flow(struct guard *guard, const struct packet *packet, const uint8_t *other,
		      unsigned other_port, unsigned own_port, uint32_t *tag)
{
	uint64_t hash = guard->key ^ ((uint64_t)packet->family << 32 | other_port << 16 | own_port);

	for (size_t i = 0; i < packet->address_size; i += 4) {
		uint32_t part;

		memcpy(&part, other + i, sizeof(part));
		hash = (hash ^ part) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	hash = (hash ^ guard->key) * UINT64_C(0xbf58476d1ce4e5b9);
	hash ^= hash >> 32;
	/* Zero is an empty slot. */
	*tag = (uint32_t)(hash >> 16) | 1;
	return &guard->flows[hash % GUARD_FLOWS];
}

static void remember(struct guard *guard, const struct packet *packet, const uint8_t *other,
		     unsigned other_port, unsigned own_port)
{
	uint32_t tag, *slot = flow(guard, packet, other, other_port, own_port, &tag);

	if (__atomic_load_n(slot, __ATOMIC_RELAXED) != tag)
		__atomic_store_n(slot, tag, __ATOMIC_RELAXED);
}

static bool is_known(struct guard *guard, const struct packet *packet, const uint8_t *other,
		     unsigned other_port, unsigned own_port)
{
	uint32_t tag, *slot = flow(guard, packet, other, other_port, own_port, &tag);

	return __atomic_load_n(slot, __ATOMIC_RELAXED) == tag;
}

void guard_publish(struct guard *guard, uint16_t port)
{
	guard->published[port / 8] |= (uint8_t)(1u << port % 8);
}

static bool is_published(const struct guard *guard, unsigned port)
{
	return guard->published[port / 8] & 1u << port % 8;
}

/* ---- out ---- */

static bool is_own(const struct guard *guard, const struct packet *packet)
{
	const uint8_t *from = packet->from;

	if (packet->family == AF_INET)
		return is(&guard->v4, packet, from);
	return is(&guard->v6, packet, from) || (guard->v6.family && from[0] == 0xfe && from[1] >> 6 == 2);
}

/* Who asks for a neighbour: ff02::1:ff00:0/104 (RFC 4291, section 2.7.1). */
static bool is_solicited_node(const uint8_t *to)
{
	static const uint8_t prefix[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};

	return memcmp(to, prefix, sizeof(prefix)) == 0;
}

static bool is_foreign(const struct packet *packet)
{
	static const uint8_t zero[10] = {0};
	const uint8_t *to = packet->to;

	if (packet->family == AF_INET)
		return to[0] != 0 && to[0] != 127 && to[0] < 224;
	if (to[0] == 0xff)
		return packet->protocol == IPPROTO_ICMPV6 && is_solicited_node(to);
	/* ::, ::1, ::ffff:127.0.0.1 and their like. */
	return memcmp(to, zero, sizeof(zero)) != 0;
}

static bool may_reach_gateway(struct guard *guard, const struct packet *packet)
{
	const uint8_t *body = packet->body;

	if (packet->protocol == IPPROTO_TCP)
		return (body[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
	if (packet->protocol == IPPROTO_UDP)
		return is_known(guard, packet, packet->to, word(body + 2), word(body));
	return true;
}

bool guard_out(struct guard *guard, const uint8_t *frame, size_t size)
{
	struct packet packet;
	unsigned type = size < ETHER_SIZE ? 0 : word(frame + 12);

	if (type == TYPE_ARP)
		return true;
	if ((type != TYPE_IPV4 && type != TYPE_IPV6) || !parse(frame, size, &packet) ||
	    !is_own(guard, &packet) || !is_foreign(&packet))
		return false;
	if (is(&guard->gateway4, &packet, packet.to) || is(&guard->gateway6, &packet, packet.to))
		return may_reach_gateway(guard, &packet);
	if (packet.protocol == IPPROTO_UDP)
		remember(guard, &packet, packet.to, word(packet.body + 2), word(packet.body));
	return true;
}

/* ---- in ---- */

bool guard_in(struct guard *guard, const uint8_t *frame, size_t size)
{
	struct packet packet;
	unsigned type = size < ETHER_SIZE ? 0 : word(frame + 12), own, other;

	if (type == TYPE_ARP)
		return true;
	if ((type != TYPE_IPV4 && type != TYPE_IPV6) || !parse(frame, size, &packet))
		return false;
	if (packet.protocol != IPPROTO_UDP)
		return true;
	other = word(packet.body);
	own = word(packet.body + 2);
	if (!is_published(guard, own))
		return is_known(guard, &packet, packet.from, other, own);
	remember(guard, &packet, packet.from, other, own);
	return true;
}

/* ---- announcing ---- */

static uint8_t *begin_frame(uint8_t *out, size_t size, const uint8_t mac[6], unsigned type)
{
	memset(out, 0, LENGTH + size);
	out[3] = (uint8_t)size;
	memset(out + LENGTH, 0xff, 6);
	memcpy(out + LENGTH + 6, mac, 6);
	out[LENGTH + 12] = (uint8_t)(type >> 8);
	out[LENGTH + 13] = (uint8_t)type;
	return out + LENGTH + ETHER_SIZE;
}

size_t guard_announce(const struct guard *guard, const uint8_t mac[6], uint8_t out[GUARD_ANNOUNCE_SIZE])
{
	static const uint8_t arp[] = {0, 1, 8, 0, 6, 4, 0, 1};
	static const uint8_t v6[] = {0x60, 0, 0, 0, 0, 24, IPPROTO_ICMPV6, 255};
	struct net_prefix local = mac_link_local(mac);
	uint8_t *p = begin_frame(out, ETHER_SIZE + 28, mac, TYPE_ARP);
	size_t size = LENGTH + ETHER_SIZE + 28;

	memcpy(p, arp, sizeof(arp));
	memcpy(p + 8, mac, 6);
	memcpy(p + 14, guard->v4.bytes, 4);
	memcpy(p + 24, guard->gateway4.bytes, 4);
	if (!guard->v6.family)
		return size;
	/* A neighbour solicitation (RFC 4861, section 4.3), whose checksum passt does not look at. */
	p = begin_frame(out + size, ETHER_SIZE + IPV6_SIZE + 24, mac, TYPE_IPV6);
	memcpy(p, v6, sizeof(v6));
	memcpy(p + 8, local.bytes, 16);
	memcpy(p + 24, guard->gateway6.bytes, 16);
	p[IPV6_SIZE] = 135;
	memcpy(p + IPV6_SIZE + 8, guard->gateway6.bytes, 16);
	return size + LENGTH + ETHER_SIZE + IPV6_SIZE + 24;
}

/* ---- the line ---- */

int guard_take(struct guard *guard, guard_fn *passes, uint8_t *data, size_t size, size_t most,
	       struct guard_take *ret)
{
	struct guard_take take = {0};

	while (size - take.used >= LENGTH) {
		uint8_t *from = data + take.used; /* four bytes of length, of which the upper two are zero */
		size_t length = word(from + 2);

		if (word(from))
			return -EPROTO;
		if (size - take.used - LENGTH < length ||
		    (take.passed && take.passed + LENGTH + length > most))
			break;
		if (passes(guard, from + LENGTH, length)) {
			memmove(data + take.passed, from, LENGTH + length);
			take.passed += LENGTH + length;
		}
		take.used += LENGTH + length;
	}
	*ret = take;
	return 0;
}
