/* SPDX-License-Identifier: Apache-2.0 */
/* Two calls joined: what one hears the other says. Each side pauses its peer while its own queue is full, so that a reader at one end
 * slows the writer at the other and nothing gathers here. */
#include "rpc/internal.h"

#include "base/str.h"

#include <errno.h>

struct relay {
	struct rpc_call *incoming; /* NULL once it has ended */
	struct rpc_call *outgoing;
};

static struct rpc_call *other(const struct relay *relay, const struct rpc_call *call)
{
	return call == relay->incoming ? relay->outgoing : relay->incoming;
}

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct rpc_call *peer = other(user, call);

	if (!peer)
		return;
	rpc_call_send(peer, data, size);
	if (rpc_call_queued(peer) > RPC_HIGH_WATER)
		rpc_call_pause(call);
}

static void on_writable(struct rpc_call *call, void *user)
{
	struct rpc_call *peer = other(user, call);

	if (peer)
		rpc_call_resume(peer);
}

static void on_half_close(struct rpc_call *call, void *user)
{
	struct relay *relay = user;

	if (call == relay->incoming && relay->outgoing)
		rpc_call_half_close(relay->outgoing);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct relay *relay = user;
	struct rpc_call *peer = other(relay, call);

	if (call == relay->outgoing) {
		relay->outgoing = NULL;
		if (peer)
			rpc_call_finish(peer, status);
	} else {
		relay->incoming = NULL;
		if (peer)
			rpc_call_cancel(peer);
	}
	if (!relay->incoming && !relay->outgoing)
		free(relay);
}

int rpc_relay(struct rpc_call *incoming, struct rpc_conn *to, const char *path, uint64_t timeout_ms,
	      struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_message,
						      .on_half_close = on_half_close,
						      .on_writable = on_writable,
						      .on_end = on_end};
	struct rpc_call_options options = {.timeout_ms = rpc_call_timeout_ms(incoming)};
	struct relay *relay = xcalloc(1, sizeof(*relay));
	int r;

	if (options.timeout_ms == RPC_NO_DEADLINE)
		options.timeout_ms = timeout_ms;
	relay->incoming = incoming;
	r = rpc_call_begin(to, path, &options, &events, relay, &relay->outgoing, err);
	if (r < 0) {
		free(relay);
		return r;
	}
	rpc_call_listen(incoming, &events, relay);
	return 0;
}
