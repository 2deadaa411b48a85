/* SPDX-License-Identifier: Apache-2.0 */
/* What may pass between a guest and passt (net/user.h), frame by frame: pure, over bytes that a guest wrote.
 *
 * passt makes a socket of the host's out of whatever address stands in a frame: 127.0.0.1 too, so that a guest that makes its own frames would reach the host's
 * loopback. And whoever writes to a UDP port from which a guest once wrote is heard by it. Neither passes here:
 *
 *   out   IPv4, IPv6, ARP from the guest's own addresses to those of somebody else; nothing to loopback, unspecified, IPv4-mapped or multicast addresses, no
 *         fragments and no extension headers (passt takes what follows for a transport header). To the gateway, which passt makes the host's loopback when UDP
 *         ports are published: no new TCP connection, and UDP only as an answer.
 *   in    all but UDP, and UDP that answers or goes to a published port.
 *
 * Each direction has a process of its own, and `flows` is what they share: written by one, read by the other, a word at a time. */
#pragma once

#include "net/address.h"

#define GUARD_FLOWS 65536u

struct guard {
	struct net_prefix v4, v6;             /* of the guest; v6 may be empty */
	struct net_prefix gateway4, gateway6; /* likewise */
	uint64_t key;                         /* random, so that nobody makes flows that collide */
	uint8_t published[65536 / 8];         /* the guest's UDP ports that are open to all: a bit each */
	uint32_t flows[GUARD_FLOWS];          /* who wrote to whom by UDP */
};

void guard_publish(struct guard *guard, uint16_t port);

/* Whether the frame passes; a UDP datagram that does leaves its flow behind. */
bool guard_out(struct guard *guard, const uint8_t *frame, size_t size);
bool guard_in(struct guard *guard, const uint8_t *frame, size_t size);

/* What passt has to see of a guest before it can pass anything to it, and a guest that only listens would never say: the MAC address and the link-local address that goes
 * with it, as a question for each gateway. Frames as on the line; returns their size. */
#define GUARD_ANNOUNCE_SIZE 144u
size_t guard_announce(const struct guard *guard, const uint8_t mac[6], uint8_t out[GUARD_ANNOUNCE_SIZE]);

/* The line's bytes: frames, each behind its length of four bytes (big-endian). Moves those that pass to the front of the buffer. */
struct guard_take {
	size_t used;   /* bytes of whole frames, passed or not */
	size_t passed; /* bytes that are now in the front */
};
#define GUARD_FRAME_MAX 65535u /* what passt's buffers are made for; 16 bits */

/* Takes whole frames from data until `most` bytes have passed or there is none; a larger one passes alone. The same at any place where a frame begins. 0, or -EPROTO
 * for a frame that is larger than any may be: the line has no sense any more. */
typedef bool guard_fn(struct guard *guard, const uint8_t *frame, size_t size);
int guard_take(struct guard *guard, guard_fn *passes, uint8_t *data, size_t size, size_t most,
	       struct guard_take *ret);
