/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: to a process of the container that asked for it (accepted by Listen) or to a socket on which one listens. The latter is looked up by the kernel with the
 * container's root as "/" and then connected to by its descriptor, so that no link of the container leads out of it.
 *
 *   open ──► a socket that is connected, at once or when its listener's backlog has room ──► `connected`, and a splice */
#include "init/relay.h"

#include "agent.pb-c.h"
#include "base/file.h"
#include "base/str.h"
#include "init/files.h"
#include "rpc/dial.h"

#include <errno.h>

#define CONNECT_MS 10000

struct relay {
	struct relay *next;
	struct guest *guest;
	struct container *container; /* NULL once it is gone */
	struct rpc_call *call;
	struct rpc_splice *splice; /* NULL before it is connected */
	bool opened;
	struct rpc_dial *dial; /* under way, or NULL */
};

static void relay_free(void *user)
{
	struct relay *relay = user, **link = &relay->guest->relays;

	while (*link != relay)
		link = &(*link)->next;
	*link = relay->next;
	rpc_dial_free(relay->dial);
	if (relay->opened)
		relay_put_place(relay->guest);
	free(relay);
}

static void connected(struct relay *relay, int fd)
{
	Coracle__Agent__V1__RelayResponse response = CORACLE__AGENT__V1__RELAY_RESPONSE__INIT;
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;

	response.kind_case = CORACLE__AGENT__V1__RELAY_RESPONSE__KIND_CONNECTED;
	response.connected = &empty;
	rpc_call_send_message(relay->call, &response.base);
	relay->splice = rpc_splice_new(relay->call, fd, relay_free, relay);
}

/* ---- connecting ---- */

static void on_dialled(int fd, void *user)
{
	struct relay *relay = user;
	struct cor_error err;

	relay->dial = NULL;
	if (fd >= 0) {
		connected(relay, fd);
		return;
	}
	cor_fail_errno(&err, fd, "connect");
	rpc_call_finish(relay->call, &err);
}

static int open_unix(struct relay *relay, const char *path, struct cor_error *err)
{
	_fd_ int root = files_open_root(relay->guest, relay->container->id, false, err), file = -1;

	if (root < 0)
		return root;
	file = open_in_root(root, path, O_PATH, 0);
	if (file < 0)
		return cor_fail_errno(err, file, "%.256s", path);
	/* What the client sends may wait. */
	rpc_call_pause(relay->call);
	relay->dial = rpc_dial_new(relay->guest->loop, steal_fd(&file), CONNECT_MS, on_dialled, relay);
	return 0;
}

static int relay_open(struct relay *relay, const Coracle__Agent__V1__RelayOpen *open, struct cor_error *err)
{
	struct guest *guest = relay->guest;
	int fd;

	relay->container = container_find(guest, open->container_id, err);
	if (!relay->container)
		return -ENOENT;
	if (open->kind_case == CORACLE__AGENT__V1__RELAY_OPEN__KIND_ACCEPTED) {
		fd = relay_take_accepted(relay->container, open->accepted);
		if (fd < 0)
			return cor_fail(err, COR_NOT_FOUND, ENOENT, "no connection %llu waits",
					(unsigned long long)open->accepted);
		relay->opened = true;
		connected(relay, fd);
		return 0;
	}
	if (open->kind_case != CORACLE__AGENT__V1__RELAY_OPEN__KIND_UNIX_PATH)
		return cor_fail(err, COR_INVALID, EINVAL, "Relay: `open` says nothing that is known here");
	if (guest->connections >= RELAYS_MAX)
		return cor_fail(err, COR_EXHAUSTED, EAGAIN, "there are %u connections already", RELAYS_MAX);
	relay->opened = true;
	guest->connections++;
	return open_unix(relay, open->unix_path, err);
}

/* ---- the call, until the splice has it ---- */

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct relay *relay = user;
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__relay_request__descriptor, data, size, &err);
	const Coracle__Agent__V1__RelayRequest *request = (const void *)message;

	if (!message) {
		rpc_call_finish(call, &err);
		return;
	}
	if (relay->opened || request->kind_case != CORACLE__AGENT__V1__RELAY_REQUEST__KIND_OPEN) {
		cor_fail(&err, COR_INVALID, EPROTO, "the first request of Relay must be `open`");
		rpc_call_finish(call, &err);
	} else if (relay_open(relay, request->open, &err) < 0) {
		rpc_call_finish(call, &err);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void on_half_close(struct rpc_call *call, void *user)
{
	struct cor_error err;

	cor_fail(&err, COR_INVALID, EPROTO, "Relay without `open`");
	rpc_call_finish(call, &err);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	relay_free(user);
}

int relay_begin(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {
		.on_message = on_message, .on_half_close = on_half_close, .on_end = on_end};
	struct guest *guest = service;
	struct relay *relay = xcalloc(1, sizeof(*relay));

	*relay = (struct relay){.next = guest->relays, .guest = guest, .call = call};
	guest->relays = relay;
	rpc_call_listen(call, &events, relay);
	return 0;
}

void relay_container_gone(struct container *container)
{
	struct cor_error reason;

	relay_end_listeners(container);
	cor_fail(&reason, COR_CANCELLED, ECANCELED, "the container was deleted");
	for (struct relay *relay = container->guest->relays; relay; relay = relay->next) {
		if (relay->container != container)
			continue;
		relay->container = NULL;
		rpc_dial_free(steal_ptr(relay->dial));
		if (relay->splice)
			rpc_splice_cut(relay->splice);
		else
			rpc_call_finish(relay->call, &reason);
	}
}
