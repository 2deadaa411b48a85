/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to somebody else and back. Who sends from one address to another has a flow, which is a socket of its own; one that is silent for a minute ends, and where there
 * are too many, the one that was silent longest. What does not get on at once is lost, as datagrams are. */
#pragma once

#include "shim/publish_tcp.h"

#define UDP_RELAY_MAX     128u /* flows of one relay that come by the host's loopback, and as many of others */
#define UDP_RELAY_IDLE_MS 60000 /* at least, and a sixth more at most */

struct udp_relay;
struct udp_relay *udp_relay_new(uv_loop_t *loop);
/* fd is bound, and tells of each packet to which address it came (IP_PKTINFO); it is the relay's in any case. 0 or -errno. */
int udp_relay_add(struct udp_relay *relay, int fd, const union relay_address *target);
/* Closes all sockets now, and frees itself when the loop has let go of them. NULL is fine. */
void udp_relay_free(struct udp_relay *relay);
