/* SPDX-License-Identifier: Apache-2.0 */
/* A further process: made, attached to, started, then its streams pass between client and guest as they are (see stream.c).
 *
 *   client: open ──► CreateProcess ──► AttachProcess ──(attached)──► StartProcess ──► attached, streams, exit ──► DeleteProcess
 *
 * A client that goes away leaves the process behind: its output is read and thrown away, its input is at an end. */
#include "rpc/field.h"
#include "shim/hub.h"
#include "shim/shim.h"

#include <errno.h>

#define PROCESS_MAX (1u << 20)

struct exec {
	struct shim *shim;
	struct rpc_call *client, *guest; /* NULL when over */
	unsigned references;             /* client, guest, the question under way */
	char *id;
	bool opened, made, attached, running, closed, detach, exited;
};

static void exec_put(struct exec *exec)
{
	if (--exec->references)
		return;
	free(exec->id);
	free(exec);
}

static void refuse(struct exec *exec, const struct cor_error *status)
{
	struct cor_error err = *status;

	explain_silence(exec->shim, &err);
	if (exec->client)
		rpc_call_finish(exec->client, &err);
}

/* ---- questions to the guest ---- */

static bool ask(struct exec *exec, const char *path, const ProtobufCMessage *request,
		const ProtobufCMessageDescriptor *type,
		void (*done)(const ProtobufCMessage *response, const struct cor_error *status, void *user))
{
	struct cor_error err;

	exec->references++;
	if (!exec->shim->guest)
		cor_fail(&err, COR_UNAVAILABLE, ENOTCONN, "the container has ended");
	else if (rpc_call_unary(exec->shim->guest, path, request, type, ASK_TIMEOUT_MS, done, exec, &err) ==
		 0)
		return true;
	refuse(exec, &err);
	exec_put(exec);
	return false;
}

static void on_deleted(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	exec_put(user);
}

static void reference(struct exec *exec, Coracle__Agent__V1__ProcessRef *ref)
{
	coracle__agent__v1__process_ref__init(ref);
	ref->container_id = exec->shim->id;
	ref->process_id = exec->id;
}

static void delete_process(struct exec *exec)
{
	Coracle__Agent__V1__ProcessRef ref;

	if (!exec->made || exec->shim->stage >= ENDING)
		return;
	exec->made = false;
	reference(exec, &ref);
	ask(exec, AGENT("DeleteProcess"), &ref.base, &coracle__agent__v1__empty__descriptor, on_deleted);
}

/* ---- from the guest ---- */

static void send_close(struct exec *exec)
{
	static const uint8_t close_stdin[] = {STREAM_CLOSE << 3 | 2, 0};

	if (!exec->guest || exec->closed)
		return;
	exec->closed = true;
	rpc_call_send(exec->guest, close_stdin, sizeof(close_stdin));
}

static void on_started(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	static const uint8_t attached[] = {STREAM_ATTACHED << 3 | 2, 0};
	struct exec *exec = user;

	if (!response) {
		refuse(exec, status);
		if (exec->guest)
			rpc_call_cancel(exec->guest);
		delete_process(exec);
	} else {
		exec->running = true;
		if (exec->client && !exec->exited) {
			rpc_call_send(exec->client, attached, sizeof(attached));
			if (exec->detach)
				rpc_call_finish(exec->client, NULL);
			else
				rpc_call_resume(exec->client);
		}
		if (exec->guest)
			rpc_call_resume(exec->guest);
		if (!exec->client)
			send_close(exec);
	}
	exec_put(exec);
}

static void start_process(struct exec *exec)
{
	Coracle__Agent__V1__ProcessRef ref;

	exec->attached = true;
	rpc_call_deadline(exec->guest, RPC_NO_DEADLINE);
	/* What the process says at once must come after `attached`. */
	rpc_call_pause(exec->guest);
	reference(exec, &ref);
	ask(exec, AGENT("StartProcess"), &ref.base, &coracle__agent__v1__empty__descriptor, on_started);
}

static void on_guest_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct exec *exec = user;
	const uint8_t *payload;
	size_t length;
	unsigned kind;

	if (rpc_field_parse(data, size, &kind, &payload, &length) < 0) {
		log_error("the guest sent a malformed stream");
		rpc_call_cancel(call);
		return;
	}
	if (kind == STREAM_ATTACHED) {
		if (!exec->attached)
			start_process(exec);
		return;
	}
	exec->exited |= kind == STREAM_EXIT;
	if (!exec->client || exec->detach || kind > STREAM_EXIT)
		return;
	rpc_call_send(exec->client, data, size);
	if (kind == STREAM_EXIT)
		rpc_call_finish(exec->client, NULL);
	else if (rpc_call_queued(exec->client) > RPC_HIGH_WATER)
		rpc_call_pause(call);
}

static void on_guest_writable(struct rpc_call *call, void *user)
{
	struct exec *exec = user;

	if (exec->client)
		rpc_call_resume(exec->client);
}

static void on_guest_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct exec *exec = user;
	struct cor_error err = *status;

	exec->guest = NULL;
	/* Without its streams there is nothing to wait for, whatever the guest says of them. One that was refused already is not told again. */
	if (!exec->exited) {
		if (exec->running && (err.status == COR_OK || err.status == COR_UNAVAILABLE))
			cor_fail(&err, COR_UNAVAILABLE, ECONNRESET, "the container has ended");
		else if (err.status == COR_OK)
			cor_fail(&err, COR_UNAVAILABLE, EPROTO, "the guest gave no streams");
		refuse(exec, &err);
	}
	if (exec->exited)
		delete_process(exec);
	exec_put(exec);
}

/* ---- making ---- */

static void on_made(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	static const struct rpc_call_events events = {
		.on_message = on_guest_message, .on_writable = on_guest_writable, .on_end = on_guest_end};
	Coracle__Agent__V1__AttachProcessRequest request = CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__INIT;
	Coracle__Agent__V1__ProcessRef ref;
	struct exec *exec = user;
	struct cor_error err;

	if (!response) {
		refuse(exec, status);
	} else if (rpc_call_begin(exec->shim->guest, AGENT("AttachProcess"), NULL, &events, exec,
				  &exec->guest, &err) < 0) {
		refuse(exec, &err);
	} else {
		rpc_call_deadline(exec->guest, ASK_TIMEOUT_MS);
		exec->made = true;
		exec->references++;
		reference(exec, &ref);
		request.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_PROCESS;
		request.process = &ref;
		rpc_call_send_message(exec->guest, &request.base);
	}
	exec_put(exec);
}

static int open_exec(struct exec *exec, const uint8_t *payload, size_t size, struct cor_error *err)
{
	Coracle__Agent__V1__CreateProcessRequest request = CORACLE__AGENT__V1__CREATE_PROCESS_REQUEST__INIT;
	ProtobufCMessage *message = rpc_decode(&coracle__shim__v1__exec_open__descriptor, payload, size, err);
	const Coracle__Shim__V1__ExecOpen *open = (const void *)message;
	int r = 0;

	if (!message)
		return -EBADMSG;
	if (open->process_json.len == 0 || open->process_json.len > PROCESS_MAX)
		r = cor_fail(err, COR_INVALID, EINVAL, "a process takes a description of 1 byte to 1 MiB");
	exec->opened = true;
	exec->detach = open->detach;
	exec->id = *open->process_id ? xstrdup(open->process_id) : str_format("exec-%u", ++exec->shim->execs);
	request.container_id = exec->shim->id;
	request.process_id = exec->id;
	request.process_json = open->process_json;
	request.stdin = open->stdin;
	request.window = open->window;
	if (r == 0)
		ask(exec, AGENT("CreateProcess"), &request.base,
		    &coracle__agent__v1__create_process_response__descriptor, on_made);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

/* ---- from the client ---- */

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct exec *exec = user;
	const uint8_t *payload;
	struct cor_error err;
	size_t length;
	unsigned kind;
	int r = rpc_field_parse(data, size, &kind, &payload, &length);

	if (r < 0 || (kind == STREAM_OPEN) == exec->opened || kind > STREAM_RESIZE) {
		cor_fail(&err, COR_INVALID, EBADMSG, "malformed ExecRequest, or one out of order");
		rpc_call_finish(call, &err);
		return;
	}
	if (kind == STREAM_OPEN) {
		/* What follows waits until the process runs. */
		rpc_call_pause(call);
		if (open_exec(exec, payload, length, &err) < 0)
			rpc_call_finish(call, &err);
		return;
	}
	if (!exec->guest || exec->closed)
		return;
	if (kind == STREAM_CLOSE) {
		send_close(exec);
		return;
	}
	rpc_call_send(exec->guest, data, size);
	if (rpc_call_queued(exec->guest) > RPC_HIGH_WATER)
		rpc_call_pause(call);
}

static void on_half_close(struct rpc_call *call, void *user)
{
	struct exec *exec = user;
	struct cor_error err;

	if (exec->opened) {
		send_close(exec);
		return;
	}
	cor_fail(&err, COR_INVALID, EPROTO, "the first ExecRequest must be `open`");
	rpc_call_finish(call, &err);
}

static void on_writable(struct rpc_call *call, void *user)
{
	struct exec *exec = user;

	if (exec->guest && exec->running)
		rpc_call_resume(exec->guest);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct exec *exec = user;
	struct shim *shim = exec->shim;

	exec->client = NULL;
	if (exec->running) {
		send_close(exec);
		if (exec->guest)
			rpc_call_resume(exec->guest);
	}
	exec_put(exec);
	shim_call_ended(shim);
}

int exec_begin(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_message,
						      .on_half_close = on_half_close,
						      .on_writable = on_writable,
						      .on_end = on_end};
	struct shim *shim = service;
	struct exec *exec;

	if (shim->stage != RUNNING || !shim->guest)
		return cor_fail(err, COR_BUSY, ENOTCONN, "container %.12s is not running", shim->id);
	exec = xcalloc(1, sizeof(*exec));
	*exec = (struct exec){.shim = shim, .client = call, .references = 1};
	shim->open_calls++;
	rpc_call_listen(call, &events, exec);
	return 0;
}
