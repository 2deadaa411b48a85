/* SPDX-License-Identifier: Apache-2.0 */
/* One stream in, many out. Messages are passed on as they came from the guest (see stream.c), so that a byte of output is copied once per client. */
#include "shim/hub.h"

#include "base/clock.h"
#include "rpc/field.h"
#include "shim/logs.h"
#include "shim/shim.h"

#include <errno.h>

#define SLOW_LIMIT (8u << 20) /* a client that is not in the foreground may be this far behind */

struct client {
	struct client *next;
	struct hub *hub;
	struct rpc_call *call;
	bool opened, foreground, in, out, err;
};

struct hub {
	struct shim *shim;
	struct client *clients;
	struct client *foreground, *input; /* or NULL */
	struct rpc_call *guest;            /* or NULL */
	void (*opened)(struct shim *shim);
	struct buffer early;                  /* a message of input that came before the process ran */
	size_t queued_before;                 /* of the foreground client, when it was last looked at */
	bool running, ended, closing, closed; /* closing: the input is to be closed once the process runs */
};

struct hub *hub_new(struct shim *shim)
{
	struct hub *hub = xcalloc(1, sizeof(*hub));

	hub->shim = shim;
	return hub;
}

void hub_free(struct hub *hub)
{
	if (!hub)
		return;
	while (hub->clients) {
		struct client *next = hub->clients->next;

		free(hub->clients);
		hub->clients = next;
	}
	buffer_release(&hub->early);
	free(hub);
}

bool hub_renew(struct hub **hub)
{
	struct shim *shim = (*hub)->shim;

	if ((*hub)->guest)
		return false;
	hub_free(*hub);
	*hub = hub_new(shim);
	return true;
}

/* ---- to the clients ---- */

static void client_send(struct client *client, const uint8_t *data, size_t size)
{
	struct cor_error err;

	if (rpc_call_queued(client->call) > SLOW_LIMIT && client != client->hub->foreground) {
		cor_fail(&err, COR_EXHAUSTED, EOVERFLOW, "this client reads too slowly and was let go");
		rpc_call_finish(client->call, &err);
		client->out = client->err = false;
		if (client->hub->input == client)
			client->hub->input = NULL;
		return;
	}
	rpc_call_send(client->call, data, size);
}

static void broadcast(struct hub *hub, unsigned kind, const uint8_t *data, size_t size)
{
	for (struct client *client = hub->clients; client; client = client->next)
		if (kind == STREAM_STDOUT ? client->out : client->err)
			client_send(client, data, size);
	if (hub->foreground && hub->guest && rpc_call_queued(hub->foreground->call) > RPC_HIGH_WATER)
		rpc_call_pause(hub->guest);
}

static void client_finish(struct client *client)
{
	struct shim *shim = client->hub->shim;
	Coracle__Shim__V1__AttachResponse response = CORACLE__SHIM__V1__ATTACH_RESPONSE__INIT;
	Coracle__Agent__V1__ExitStatus status = CORACLE__AGENT__V1__EXIT_STATUS__INIT;
	struct timings_message timings;

	if (shim->failure.status != COR_OK) {
		rpc_call_finish(client->call, &shim->failure);
		return;
	}
	exit_status_fill(shim, &status);
	if (shim->trace && client->foreground) {
		timings_fill(shim, &timings);
		response.timings = timings.list;
		response.n_timings = shim->timings.count;
	}
	response.kind_case = CORACLE__SHIM__V1__ATTACH_RESPONSE__KIND_EXIT;
	response.exit = &status;
	rpc_call_send_message(client->call, &response.base);
	rpc_call_finish(client->call, NULL);
}

void hub_end(struct hub *hub)
{
	hub->ended = true;
	for (struct client *client = hub->clients; client; client = client->next)
		if (client->opened)
			client_finish(client);
}

void hub_let_flow(struct hub *hub)
{
	hub->foreground = NULL;
	if (hub->guest)
		rpc_call_resume(hub->guest);
}

bool hub_is_stuck(struct hub *hub)
{
	size_t queued = hub->foreground ? rpc_call_queued(hub->foreground->call) : 0;
	bool stuck = queued > RPC_LOW_WATER && queued == hub->queued_before;

	hub->queued_before = queued;
	return stuck;
}

/* ---- from the guest ---- */

static void on_exit_status(struct hub *hub, const uint8_t *payload, size_t size)
{
	struct cor_error err = {0};
	ProtobufCMessage *status =
		rpc_decode(&coracle__agent__v1__exit_status__descriptor, payload, size, &err);

	if (!status) {
		rpc_call_cancel(hub->guest);
		return;
	}
	shim_exited(hub->shim, (const Coracle__Agent__V1__ExitStatus *)status);
	protobuf_c_message_free_unpacked(status, NULL);
}

static void on_guest_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct hub *hub = user;
	const uint8_t *payload;
	size_t length;
	unsigned kind;

	if (rpc_field_parse(data, size, &kind, &payload, &length) < 0) {
		log_error("the guest sent a malformed stream");
		rpc_call_cancel(call);
		return;
	}
	if (kind == STREAM_STDOUT || kind == STREAM_STDERR) {
		/* What a rehearsal writes is nobody's. */
		int r = hub->shim->unclaimed ? 0
					     : container_log_add(&hub->shim->log, kind == STREAM_STDERR,
								 payload, length, clock_realtime_ns());

		if (r < 0)
			log_warning("the container's log cannot be written, output is missing in it: %s",
				    strerror(-r));
		broadcast(hub, kind, data, size);
		logs_grown(hub->shim);
	} else if (kind == STREAM_EXIT) {
		on_exit_status(hub, payload, length);
	} else if (kind == STREAM_ATTACHED && hub->opened) {
		void (*opened)(struct shim *) = hub->opened;

		rpc_call_deadline(call, RPC_NO_DEADLINE);
		hub->opened = NULL;
		opened(hub->shim);
	}
}

/* The guest takes input again. */
static void on_guest_writable(struct rpc_call *call, void *user)
{
	struct hub *hub = user;

	if (hub->input)
		rpc_call_resume(hub->input->call);
}

static void on_waited(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct shim *shim = user;

	if (response)
		shim_exited(shim, (const Coracle__Agent__V1__ExitStatus *)response);
	else if (shim->guest)
		shim_fail(shim, status);
}

/* Somebody else took the streams over through the relay, or the guest let go of them: the end must still be known. */
static void on_guest_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	Coracle__Agent__V1__ProcessRef request = CORACLE__AGENT__V1__PROCESS_REF__INIT;
	struct hub *hub = user;
	struct shim *shim = hub->shim;
	struct cor_error err = *status;

	hub->guest = NULL;
	if (hub->input)
		rpc_call_resume(hub->input->call);
	/* A line that broke is the machine's end, of which more is known in a moment. */
	if (shim->stage >= ENDING || !rpc_conn_alive(shim->guest))
		return;
	if (hub->opened) {
		if (err.status == COR_OK)
			cor_fail(&err, COR_UNAVAILABLE, EPROTO, "the guest gave no streams");
		explain_silence(shim, &err);
		cor_context(&err, 0, "connect the process's streams");
		shim_fail(shim, &err);
		return;
	}
	log_warning("the process's streams ended before it did: %s", status->msg);
	request.container_id = shim->id;
	request.process_id = (char[]){FIRST_PROCESS};
	if (rpc_call_unary(shim->guest, AGENT("WaitProcess"), &request.base,
			   &coracle__agent__v1__exit_status__descriptor, RPC_NO_DEADLINE, on_waited, shim,
			   &err) < 0)
		shim_fail(shim, &err);
}

int hub_open(struct hub *hub, void (*opened)(struct shim *shim), struct cor_error *err)
{
	static const struct rpc_call_events events = {
		.on_message = on_guest_message, .on_writable = on_guest_writable, .on_end = on_guest_end};
	Coracle__Agent__V1__AttachProcessRequest request = CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__INIT;
	Coracle__Agent__V1__ProcessRef process = CORACLE__AGENT__V1__PROCESS_REF__INIT;
	int r = rpc_call_begin(hub->shim->guest, AGENT("AttachProcess"), NULL, &events, hub, &hub->guest,
			       err);

	if (r < 0)
		return r;
	rpc_call_deadline(hub->guest, CALL_TIMEOUT_MS);
	hub->opened = opened;
	process.container_id = hub->shim->id;
	process.process_id = (char[]){FIRST_PROCESS};
	request.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_PROCESS;
	request.process = &process;
	return rpc_call_send_message(hub->guest, &request.base);
}

/* ---- from a client ---- */

static void send_close(struct hub *hub)
{
	static const uint8_t close_stdin[] = {STREAM_CLOSE << 3 | 2, 0};

	hub->closing = true;
	if (!hub->guest || !hub->running || hub->closed)
		return;
	hub->closed = true;
	rpc_call_send(hub->guest, close_stdin, sizeof(close_stdin));
}

void hub_running(struct hub *hub)
{
	hub->running = true;
	if (hub->guest && buffer_size(&hub->early))
		rpc_call_send(hub->guest, buffer_bytes(&hub->early), buffer_size(&hub->early));
	buffer_release(&hub->early);
	if (hub->closing)
		send_close(hub);
	if (hub->input)
		rpc_call_resume(hub->input->call);
}

static int open_client(struct client *client, const uint8_t *payload, size_t size, struct cor_error *err)
{
	static const uint8_t attached[] = {STREAM_ATTACHED << 3 | 2, 0};
	ProtobufCMessage *message =
		rpc_decode(&coracle__shim__v1__attach_open__descriptor, payload, size, err);
	const Coracle__Shim__V1__AttachOpen *open = (const void *)message;
	struct hub *hub = client->hub;
	int r = 0;

	if (!message)
		return -EBADMSG;
	if (open->stdin && hub->input)
		r = cor_fail(err, COR_BUSY, EBUSY, "another client gives the input");
	if (r == 0) {
		client->opened = true;
		client->in = open->stdin;
		client->out = open->stdout;
		client->err = open->stderr;
		client->foreground = open->foreground;
		if (open->stdin)
			hub->input = client;
		if (open->foreground && !hub->foreground)
			hub->foreground = client;
		rpc_call_send(client->call, attached, sizeof(attached));
	}
	protobuf_c_message_free_unpacked(message, NULL);
	if (r == 0 && hub->ended)
		client_finish(client);
	return r;
}

static void remember_window(struct hub *hub, const uint8_t *payload, size_t size)
{
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__window_size__descriptor, payload, size, NULL);
	const Coracle__Agent__V1__WindowSize *window = (const void *)message;

	if (!message)
		return;
	hub->shim->window.rows = window->rows;
	hub->shim->window.columns = window->columns;
	protobuf_c_message_free_unpacked(message, NULL);
}

/* A guest that takes nothing stops the client. Only the client that gives input is waited for, since others have little to say. */
static void send_to_guest(struct client *client, const uint8_t *data, size_t size)
{
	struct hub *hub = client->hub;

	if (rpc_call_queued(hub->guest) > RPC_HIGH_WATER && client != hub->input)
		return;
	rpc_call_send(hub->guest, data, size);
	if (rpc_call_queued(hub->guest) > RPC_HIGH_WATER && client == hub->input)
		rpc_call_pause(client->call);
}

/* Input waits until there is a process that could read it: one message here, the rest with the client. */
static void forward_input(struct client *client, const uint8_t *data, size_t size)
{
	struct hub *hub = client->hub;

	if (!client->in || hub->closing)
		return;
	if (!hub->running) {
		buffer_append(&hub->early, data, size);
		rpc_call_pause(client->call);
	} else if (hub->guest) {
		send_to_guest(client, data, size);
	}
}

static void forward(struct client *client, unsigned kind, const uint8_t *data, size_t size,
		    const uint8_t *payload, size_t length)
{
	struct hub *hub = client->hub;

	if (kind == STREAM_STDIN)
		forward_input(client, data, size);
	else if (kind == STREAM_CLOSE && client->in)
		send_close(hub);
	else if (kind == STREAM_RESIZE && hub->guest)
		send_to_guest(client, data, size);
	else if (kind == STREAM_RESIZE)
		remember_window(hub, payload, length);
}

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct client *client = user;
	const uint8_t *payload;
	struct cor_error err = {0};
	size_t length;
	unsigned kind;
	int r = rpc_field_parse(data, size, &kind, &payload, &length);

	if (r < 0)
		cor_fail(&err, COR_INVALID, EBADMSG, "malformed AttachRequest");
	else if (!client->opened && kind != STREAM_OPEN)
		r = cor_fail(&err, COR_INVALID, EPROTO, "the first AttachRequest must be `open`");
	else if (!client->opened)
		r = open_client(client, payload, length, &err);
	else if (kind == STREAM_STDIN || kind == STREAM_CLOSE || kind == STREAM_RESIZE)
		forward(client, kind, data, size, payload, length);
	else
		r = cor_fail(&err, COR_INVALID, EPROTO, "unexpected AttachRequest");
	if (r < 0)
		rpc_call_finish(call, &err);
}

static void on_half_close(struct rpc_call *call, void *user)
{
	struct client *client = user;
	struct cor_error err;

	if (client->in)
		send_close(client->hub);
	if (client->opened)
		return;
	cor_fail(&err, COR_INVALID, EPROTO, "the first AttachRequest must be `open`");
	rpc_call_finish(call, &err);
}

static void on_writable(struct rpc_call *call, void *user)
{
	struct client *client = user;

	if (client == client->hub->foreground && client->hub->guest)
		rpc_call_resume(client->hub->guest);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct client *client = user;
	struct hub *hub = client->hub;
	struct client **link = &hub->clients;

	/* A foreground client without a terminal was the input's only source: the process must see its end. */
	if (hub->input == client) {
		if (client->foreground && !hub->shim->record.terminal)
			send_close(hub);
		hub->input = NULL;
	}
	if (hub->foreground == client)
		hub_let_flow(hub);
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	free(client);
	shim_call_ended(hub->shim);
}

int hub_attach(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_message,
						      .on_half_close = on_half_close,
						      .on_writable = on_writable,
						      .on_end = on_end};
	struct shim *shim = service;
	struct client *client = xcalloc(1, sizeof(*client));

	*client = (struct client){.next = shim->hub->clients, .hub = shim->hub, .call = call};
	shim->hub->clients = client;
	shim->open_calls++;
	rpc_call_listen(call, &events, client);
	return 0;
}
