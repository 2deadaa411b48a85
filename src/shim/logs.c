/* SPDX-License-Identifier: Apache-2.0 */
/* A client reads at its own pace: while its call is full, nothing is read for it, and nothing is kept for it but its place in the file. */
#include "shim/logs.h"

#include "container/log_reader.h"
#include "shim/shim.h"

struct log_client {
	struct log_client *next;
	struct shim *shim;
	struct rpc_call *call;
	struct log_reader reader;
	bool follow, finished;
};

static int send_record(void *user, const struct log_line *line)
{
	Coracle__Shim__V1__LogEntry entry = CORACLE__SHIM__V1__LOG_ENTRY__INIT;
	struct log_client *client = user;

	entry.time_ns = line->time_ns;
	entry.stderr = line->is_stderr;
	entry.data = (ProtobufCBinaryData){.len = line->size, .data = (uint8_t *)(uintptr_t)line->text};
	rpc_call_send_message(client->call, &entry.base);
	return rpc_call_queued(client->call) > RPC_HIGH_WATER;
}

static void read_on(struct log_client *client)
{
	struct cor_error err = {0};
	int r;

	if (client->finished || rpc_call_queued(client->call) > RPC_HIGH_WATER)
		return;
	r = log_reader_read(&client->reader);
	if (r > 0 || (r == 0 && client->follow && !client->shim->told && !client->reader.past_until))
		return;
	if (r < 0)
		cor_fail_errno(&err, r, "the container's log");
	client->finished = true;
	rpc_call_finish(client->call, &err);
}

static void on_writable(struct rpc_call *call, void *user)
{
	read_on(user);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct log_client *client = user;
	struct shim *shim = client->shim;
	struct log_client **link = &shim->log_clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	log_reader_release(&client->reader);
	free(client);
	shim_call_ended(shim);
}

int logs_begin(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_writable = on_writable, .on_end = on_end};
	const Coracle__Shim__V1__LogsRequest *logs = (const void *)request;
	struct shim *shim = service;
	struct log_client *client = xcalloc(1, sizeof(*client));

	client->shim = shim;
	client->call = call;
	client->follow = logs->follow;
	client->reader = (struct log_reader){
		.dir = shim->data_dir,
		.name = "log",
		.filter = {.tail = logs->tail, .since_ns = logs->since_ns, .until_ns = logs->until_ns},
		.take = send_record,
		.user = client,
	};
	client->next = shim->log_clients;
	shim->log_clients = client;
	shim->open_calls++;
	rpc_call_listen(call, &events, client);
	log_reader_open(&client->reader);
	read_on(client);
	return 0;
}

void logs_grown(struct shim *shim)
{
	for (struct log_client *client = shim->log_clients; client; client = client->next)
		if (client->follow)
			read_on(client);
}
