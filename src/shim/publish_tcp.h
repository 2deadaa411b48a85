/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that are accepted here and made anew to somebody else; bytes go both ways, and so do the ends of either direction, and resets.
 *
 * What is read goes on at once. What the other side does not take is kept, at most one buffer for each direction, and no more is read until it was taken: so a side that reads
 * slowly slows the other and nobody else. */
#pragma once

#include "base/macro.h" /* before libuv, whose headers have a MIN and a MAX too */

#include <netinet/in.h>
#include <stdbool.h>
#include <uv.h>

union relay_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* At once, of all sockets of one relay; more wait to be accepted until others have ended. Who does not come by the host's loopback (a container) may have half of
 * them, and is reset beyond. */
#define TCP_RELAY_MAX 1000u

static inline bool relay_is_loopback(const union relay_address *address)
{
	return address->any.sa_family == AF_INET ? ntohl(address->v4.sin_addr.s_addr) >> 24 == 127
						 : IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

struct tcp_relay;
struct tcp_relay *tcp_relay_new(uv_loop_t *loop);
/* fd listens; it is the relay's in any case. 0 or -errno. */
int tcp_relay_add(struct tcp_relay *relay, int fd, const union relay_address *target);
/* Closes all sockets now, and frees itself when the loop has let go of them. NULL is fine. */
void tcp_relay_free(struct tcp_relay *relay);
