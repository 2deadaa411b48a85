/* SPDX-License-Identifier: Apache-2.0 */
/*   the call is begun ──┬── the guest says `connected` ──┬──► a splice
 *                       └── the socket here is connected ┘
 * Both have a deadline. What fails ends both; what is on the other side sees its connection close. */
#include "shim/relay.h"

#include "rpc/dial.h"
#include "rpc/field.h"
#include "rpc/splice.h"
#include "shim/sockets.h"

#include <errno.h>
#include <fcntl.h>

#define CONNECT_MS 10000
#define GUEST_MS   15000 /* more than the guest takes for connecting */
#define CONNECTED  1u    /* the field of RelayResponse */

struct relay {
	struct shim *shim;
	struct rpc_call *call;
	bool guest_ready, host_ready, refused;
	struct rpc_dial *dial; /* under way, or NULL */
	int fd;                /* connected; -1 before and when the splice has it */
};

static void relay_free(void *user)
{
	struct relay *relay = user;
	struct shim *shim = relay->shim;

	rpc_dial_free(relay->dial);
	close_fd(&relay->fd);
	free(relay);
	shim->relays--;
	sockets_resume(shim);
}

static void join_if_ready(struct relay *relay)
{
	if (!relay->guest_ready)
		return;
	/* Not before the guest has answered: a call that is cancelled before it was sent is never heard of. */
	if (relay->refused) {
		/* One that is paused would not hear that it has ended meanwhile. */
		rpc_call_resume(relay->call);
		rpc_call_cancel(relay->call);
	} else if (relay->host_ready)
		rpc_splice_new(relay->call, steal_fd(&relay->fd), relay_free, relay);
	else
		rpc_call_pause(relay->call);
}

/* ---- the guest's side ---- */

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct relay *relay = user;
	const uint8_t *payload;
	size_t length;
	unsigned kind;

	if (rpc_field_parse(data, size, &kind, &payload, &length) < 0 || kind != CONNECTED ||
	    relay->guest_ready) {
		rpc_call_cancel(call);
		return;
	}
	rpc_call_deadline(call, RPC_NO_DEADLINE);
	relay->guest_ready = true;
	join_if_ready(relay);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	log_debug("a relayed connection was refused: %s", status->msg);
	relay_free(user);
}

static int begin(struct relay *relay, Coracle__Agent__V1__RelayOpen *open)
{
	static const struct rpc_call_events events = {.on_message = on_message, .on_end = on_end};
	static const struct rpc_call_options options = {.max_message = RPC_SPLICE_MAX + 64, .small = true};
	Coracle__Agent__V1__RelayRequest request = CORACLE__AGENT__V1__RELAY_REQUEST__INIT;
	int r = !rpc_conn_alive(relay->shim->guest)
			? -ENOTCONN
			: rpc_call_begin(relay->shim->guest, AGENT("Relay"), &options, &events, relay,
					 &relay->call, NULL);

	if (r < 0)
		return r;
	rpc_call_deadline(relay->call, GUEST_MS);
	open->container_id = relay->shim->id;
	request.kind_case = CORACLE__AGENT__V1__RELAY_REQUEST__KIND_OPEN;
	request.open = open;
	return rpc_call_send_message(relay->call, &request.base);
}

/* ---- the host's side ---- */

static void refuse(struct relay *relay, int error)
{
	log_debug("a connection to a socket of the host: %s", strerror(error));
	relay->refused = true;
	join_if_ready(relay);
}

static void on_dialled(int fd, void *user)
{
	struct relay *relay = user;

	relay->dial = NULL;
	if (fd < 0) {
		refuse(relay, -fd);
		return;
	}
	relay->fd = fd;
	relay->host_ready = true;
	join_if_ready(relay);
}

/* ---- both ---- */

static struct relay *relay_new(struct shim *shim, int fd)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));

	*relay = (struct relay){.shim = shim, .fd = fd};
	shim->relays++;
	return relay;
}

void relay_to_host(struct shim *shim, uint64_t number, const char *path)
{
	Coracle__Agent__V1__RelayOpen request = CORACLE__AGENT__V1__RELAY_OPEN__INIT;
	struct relay *relay = relay_new(shim, -1);
	int file;

	request.kind_case = CORACLE__AGENT__V1__RELAY_OPEN__KIND_ACCEPTED;
	request.accepted = number;
	if (begin(relay, &request) < 0) {
		relay_free(relay);
		return;
	}
	/* The call is begun in any case: its end is how the guest hears of a failure. */
	file = open(path, O_PATH | O_CLOEXEC);
	if (file < 0)
		refuse(relay, errno);
	else
		relay->dial = rpc_dial_new(&shim->loop, file, CONNECT_MS, on_dialled, relay);
}

void relay_to_container(struct shim *shim, int fd, const char *path)
{
	Coracle__Agent__V1__RelayOpen open = CORACLE__AGENT__V1__RELAY_OPEN__INIT;
	struct relay *relay = relay_new(shim, fd);

	open.kind_case = CORACLE__AGENT__V1__RELAY_OPEN__KIND_UNIX_PATH;
	open.unix_path = (char *)path;
	relay->host_ready = true;
	if (begin(relay, &open) < 0)
		relay_free(relay);
}
