/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/publish_udp.h"

#include "base/str.h"

#include <errno.h>

#define BUFFER_SIZE   (64 << 10) /* more than any datagram */
#define READS_AT_ONCE 32
#define SWEEP_MS      (UDP_RELAY_IDLE_MS / 6)

/* Of the host, as the client knows it: where answers come from. */
struct place {
	int family;
	struct in_pktinfo v4;
	struct in6_pktinfo v6;
};

struct bound {
	struct bound *next;
	struct udp_relay *relay;
	uv_poll_t poll;
	int fd;
	union relay_address target;
};

struct flow {
	struct flow *next;
	struct bound *bound;
	uv_udp_t handle; /* connected to the target */
	union relay_address client;
	struct place place;
	uint64_t used; /* of the loop's clock */
	bool foreign;  /* not of the host's loopback */
};

struct udp_relay {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct bound *bounds;
	struct flow *flows;
	unsigned counts[2]; /* of flows: of the loopback, foreign ones */
	unsigned handles;   /* that the loop has */
	bool stopped;
	char buffer[BUFFER_SIZE];
};

static void on_sweep(uv_timer_t *timer);

struct udp_relay *udp_relay_new(uv_loop_t *loop)
{
	struct udp_relay *relay = xcalloc(1, sizeof(*relay));

	relay->loop = loop;
	uv_timer_init(loop, &relay->timer);
	relay->timer.data = relay;
	relay->handles = 1;
	uv_timer_start(&relay->timer, on_sweep, SWEEP_MS, SWEEP_MS);
	return relay;
}

/* ---- the end ---- */

static void let_go(struct udp_relay *relay)
{
	if (--relay->handles || !relay->stopped)
		return;
	while (relay->bounds) {
		struct bound *next = relay->bounds->next;

		free(relay->bounds);
		relay->bounds = next;
	}
	free(relay);
}

static void on_flow_closed(uv_handle_t *handle)
{
	struct flow *flow = handle->data;
	struct udp_relay *relay = flow->bound->relay;

	free(flow);
	let_go(relay);
}

/* Takes it out of the list that *link leads through. */
static void end_flow(struct flow **link)
{
	struct flow *flow = *link;

	*link = flow->next;
	flow->bound->relay->counts[flow->foreign]--;
	uv_close((uv_handle_t *)&flow->handle, on_flow_closed);
}

static void on_sweep(uv_timer_t *timer)
{
	struct udp_relay *relay = timer->data;
	struct flow **link = &relay->flows;

	while (*link)
		if (uv_now(relay->loop) - (*link)->used >= UDP_RELAY_IDLE_MS)
			end_flow(link);
		else
			link = &(*link)->next;
}

/* Of those that are as old as each other the one that was there first, which is further back. */
static void end_oldest(struct udp_relay *relay, bool foreign)
{
	struct flow **oldest = NULL;

	for (struct flow **link = &relay->flows; *link; link = &(*link)->next)
		if ((*link)->foreign == foreign && (!oldest || (*link)->used <= (*oldest)->used))
			oldest = link;
	if (oldest)
		end_flow(oldest);
}

/* ---- back ---- */

static size_t address_size(const union relay_address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

/* From the address that the client spoke to. */
static void answer(const struct flow *flow, const void *data, size_t size)
{
	union relay_address to = flow->client;
	struct iovec iovec = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {0};
	struct msghdr message = {.msg_name = &to,
				 .msg_namelen = (socklen_t)address_size(&to),
				 .msg_iov = &iovec,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes};
	bool v4 = flow->place.family == AF_INET;
	size_t length = v4 ? sizeof(flow->place.v4) : sizeof(flow->place.v6);

	control.header.cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	control.header.cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	control.header.cmsg_len = CMSG_LEN(length);
	memcpy(CMSG_DATA(&control.header), v4 ? (const void *)&flow->place.v4 : &flow->place.v6, length);
	message.msg_controllen = CMSG_SPACE(length);
	(void)sendmsg(flow->bound->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *ret)
{
	struct flow *flow = handle->data;

	*ret = uv_buf_init(flow->bound->relay->buffer, BUFFER_SIZE);
}

static void on_answer(uv_udp_t *handle, ssize_t n, const uv_buf_t *buffer, const struct sockaddr *from,
		      unsigned flags)
{
	struct flow *flow = handle->data;

	/* Also one of no bytes; without a sender there was none. What the target refuses is no end: it may listen later. */
	if (n < 0 || !from)
		return;
	flow->used = uv_now(handle->loop);
	answer(flow, buffer->base, (size_t)n);
}

/* ---- there ---- */

static bool same_address(const union relay_address *a, const union relay_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->family == b->family && a->v4.ipi_spec_dst.s_addr == b->v4.ipi_spec_dst.s_addr &&
	       memcmp(&a->v6.ipi6_addr, &b->v6.ipi6_addr, sizeof(a->v6.ipi6_addr)) == 0;
}

static int open_flow(struct flow *flow)
{
	struct udp_relay *relay = flow->bound->relay;
	int r = uv_udp_init(relay->loop, &flow->handle);

	if (r < 0) {
		free(flow);
		return r;
	}
	flow->handle.data = flow;
	flow->next = relay->flows;
	relay->flows = flow;
	relay->handles++;
	relay->counts[flow->foreign]++;
	r = uv_udp_connect(&flow->handle, &flow->bound->target.any);
	if (r == 0)
		r = uv_udp_recv_start(&flow->handle, give_buffer, on_answer);
	if (r < 0)
		end_flow(&relay->flows);
	return r;
}

static struct flow *flow_of(struct bound *bound, const union relay_address *client, const struct place *place)
{
	bool foreign = !relay_is_loopback(client);
	struct udp_relay *relay = bound->relay;
	struct flow *flow = relay->flows;

	while (flow && (flow->bound != bound || !same_address(&flow->client, client) ||
			!same_place(&flow->place, place)))
		flow = flow->next;
	if (flow)
		return flow;
	if (relay->counts[foreign] >= UDP_RELAY_MAX)
		end_oldest(relay, foreign);
	flow = xcalloc(1, sizeof(*flow));
	flow->foreign = foreign;
	flow->bound = bound;
	flow->client = *client;
	flow->place = *place;
	return open_flow(flow) < 0 ? NULL : flow;
}

/* The address that it was sent to; of one link, that link too. */
static void read_place(struct msghdr *message, struct place *place)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			place->family = AF_INET;
			memcpy(&place->v4, CMSG_DATA(c), sizeof(place->v4));
			place->v4.ipi_ifindex = 0;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			place->family = AF_INET6;
			memcpy(&place->v6, CMSG_DATA(c), sizeof(place->v6));
			if (!IN6_IS_ADDR_LINKLOCAL(&place->v6.ipi6_addr))
				place->v6.ipi6_ifindex = 0;
		}
}

static ssize_t receive(const struct bound *bound, union relay_address *client, struct place *place)
{
	struct iovec iovec = {.iov_base = bound->relay->buffer, .iov_len = BUFFER_SIZE};
	union {
		struct cmsghdr header;
		char bytes[256];
	} control;
	struct msghdr message = {.msg_name = client,
				 .msg_namelen = sizeof(*client),
				 .msg_iov = &iovec,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(bound->fd, &message, MSG_DONTWAIT);

	if (n >= 0)
		read_place(&message, place);
	return n;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct bound *bound = poll->data;

	for (int i = 0; i < READS_AT_ONCE; i++) {
		union relay_address client = {0};
		struct place place = {0};
		ssize_t n = receive(bound, &client, &place);
		struct flow *flow = n >= 0 && place.family ? flow_of(bound, &client, &place) : NULL;
		uv_buf_t buffer = uv_buf_init(bound->relay->buffer, (unsigned)MAX(n, (ssize_t)0));

		if (n < 0)
			return;
		if (!flow)
			continue;
		flow->used = uv_now(poll->loop);
		(void)uv_udp_try_send(&flow->handle, &buffer, 1, NULL);
	}
}

/* ---- both ---- */

static void on_bound_closed(uv_handle_t *handle)
{
	struct bound *bound = handle->data;

	let_go(bound->relay);
}

int udp_relay_add(struct udp_relay *relay, int fd, const union relay_address *target)
{
	struct bound *bound = xcalloc(1, sizeof(*bound));
	int r = uv_poll_init(relay->loop, &bound->poll, fd);

	if (r < 0) {
		free(bound);
		close(fd);
		return r;
	}
	bound->relay = relay;
	bound->fd = fd;
	bound->target = *target;
	bound->poll.data = bound;
	bound->next = relay->bounds;
	relay->bounds = bound;
	relay->handles++;
	return uv_poll_start(&bound->poll, UV_READABLE, on_readable);
}

static void on_timer_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

void udp_relay_free(struct udp_relay *relay)
{
	if (!relay)
		return;
	relay->stopped = true;
	while (relay->flows)
		end_flow(&relay->flows);
	for (struct bound *b = relay->bounds; b; b = b->next) {
		uv_close((uv_handle_t *)&b->poll, on_bound_closed);
		close(b->fd);
	}
	uv_close((uv_handle_t *)&relay->timer, on_timer_closed);
}
