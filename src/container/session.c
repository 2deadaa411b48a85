/* SPDX-License-Identifier: Apache-2.0 */
/* A session: the streams of one process, pumped between the caller's descriptors and a call to the shim.
 *
 *     streams.in --> detach keys --> call ........ call --> streams.out, streams.err
 *
 * Output is written where it arrives, with plain blocking writes: a reader that is slow stops this loop, the call's window fills up, and the process
 * in the guest blocks; nothing grows. Input is session_input.c's. */
#include "container/session.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#define OUTPUT_NAP_MS 100 /* how soon an interruption is seen while the reader blocks */

typedef Coracle__Shim__V1__AttachRequest AttachRequest;
typedef Coracle__Shim__V1__AttachResponse AttachResponse;

/* ---- output ---- */

/* Everything, unless the session is interrupted meanwhile. */
static int write_output(struct cor_session *session, int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n >= 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
		if (atomic_load(&session->interrupted))
			return -EINTR;
		if (errno == EAGAIN)
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, OUTPUT_NAP_MS);
	}
	return 0;
}

static void take_output(struct cor_session *session, int fd, const ProtobufCBinaryData *data)
{
	int r = fd < 0 || session->failure.status ? 0 : write_output(session, fd, data->data, data->len);

	if (r == 0 || r == -EINTR)
		return;
	cor_fail_errno(&session->failure, r, "write the output");
	rpc_call_cancel(session->call);
}

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct cor_session *session = user;
	struct cor_error error = {0};
	AttachResponse *response = (AttachResponse *)rpc_decode(
		&coracle__shim__v1__attach_response__descriptor, data, size, &error);

	if (!response) {
		session->failure = error;
		rpc_call_cancel(call);
		return;
	}
	switch (response->kind_case) {
	case CORACLE__SHIM__V1__ATTACH_RESPONSE__KIND_STDOUT:
		take_output(session, session->streams.out, &response->stdout);
		break;
	case CORACLE__SHIM__V1__ATTACH_RESPONSE__KIND_STDERR:
		take_output(session, session->streams.err, &response->stderr);
		break;
	case CORACLE__SHIM__V1__ATTACH_RESPONSE__KIND_EXIT:
		session->has_exit = true;
		session->exit.code = (int)(response->exit->code & 255);
		session->exit.signal = (int)(response->exit->signal & 127);
		session->exit.out_of_memory = response->exit->out_of_memory;
		if (response->n_timings)
			trace_take(&session->trace, response->timings, response->n_timings);
		trace_note(&session->trace, "end heard");
		break;
	case CORACLE__SHIM__V1__ATTACH_RESPONSE__KIND_ATTACHED:
		session->attached = true;
		break;
	default:
		break; /* of a newer shim */
	}
	protobuf_c_message_free_unpacked(&response->base, NULL);
}

/* ---- orders from outside the loop ---- */

static void on_signal_sent(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	/* The process may have ended meanwhile; the session ends by itself then. */
}

static void send_signal(struct cor_session *session, unsigned number)
{
	Coracle__Shim__V1__SignalRequest request = CORACLE__SHIM__V1__SIGNAL_REQUEST__INIT;

	if (!session->client->conn)
		return;
	request.signal = number;
	if (session->process_id)
		request.process_id = session->process_id;
	(void)rpc_call_unary(session->client->conn, SHIM_METHOD("Signal"), &request.base,
			     &coracle__shim__v1__empty__descriptor, SHIM_CALL_MS, on_signal_sent, NULL, NULL);
}

static void send_window(struct cor_session *session, unsigned window)
{
	AttachRequest request = CORACLE__SHIM__V1__ATTACH_REQUEST__INIT;
	Coracle__Agent__V1__WindowSize size = CORACLE__AGENT__V1__WINDOW_SIZE__INIT;

	if (!session->call)
		return;
	size.rows = window >> 16;
	size.columns = window & 0xffff;
	request.kind_case = CORACLE__SHIM__V1__ATTACH_REQUEST__KIND_RESIZE;
	request.resize = &size;
	rpc_call_send_message(session->call, &request.base);
}

static void on_wake(uv_poll_t *poll_handle, int status, int events)
{
	struct cor_session *session = poll_handle->data;
	unsigned long long signals;
	uint64_t count;
	unsigned window;

	(void)!read(session->wake_fd, &count, sizeof(count));
	window = atomic_exchange(&session->window, 0);
	if (window)
		send_window(session, window);
	signals = atomic_exchange(&session->signals, 0);
	for (unsigned i = 0; i < 64; i++)
		if (signals & (1ull << i))
			send_signal(session, i + 1);
}

static void wake(struct cor_session *session)
{
	int saved = errno;

	(void)!write(session->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
	errno = saved;
}

void cor_session_resize(struct cor_session *session, unsigned rows, unsigned columns)
{
	atomic_store(&session->window, MIN(rows, 0xffffu) << 16 | MIN(columns, 0xffffu));
	wake(session);
}

void cor_session_signal(struct cor_session *session, int number)
{
	if (number < 1 || number > 64)
		return;
	atomic_fetch_or(&session->signals, 1ull << (number - 1));
	wake(session);
}

void cor_session_interrupt(struct cor_session *session)
{
	atomic_store(&session->interrupted, true);
	wake(session);
}

/* ---- life ---- */

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct cor_session *session = user;

	session->call = NULL;
	session->finished = true;
	session_input_stop(session);
	if (!session->failure.status && !session->has_exit && status->status != COR_OK)
		session->failure = *status;
}

static const struct rpc_call_events call_events = {
	.on_message = on_message, .on_writable = session_input_resume, .on_end = on_end};

int session_bad_keys(const char *keys, struct cor_error *err)
{
	return cor_fail(err, COR_INVALID, EINVAL, "'%s' are no detach keys: for example ctrl-p,ctrl-q", keys);
}

int session_new(struct shim_client *client, const struct cor_streams *streams, struct cor_session **ret,
		struct cor_error *err)
{
	struct cor_session *session = xcalloc(1, sizeof(*session));
	int r;

	session->client = client;
	session->streams = streams ? *streams : (struct cor_streams){-1, -1, -1, NULL};
	session->input_epoll = -1;
	session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->wake_fd < 0) {
		r = cor_fail_errno(err, errno, "eventfd");
		cor_session_free(session);
		return r;
	}
	r = uv_poll_init(&client->loop, &session->wake_poll, session->wake_fd);
	if (r < 0) {
		close_fd(&session->wake_fd);
		cor_session_free(session);
		return cor_fail_errno(err, r, "poll");
	}
	session->wake_poll.data = session;
	uv_poll_start(&session->wake_poll, UV_READABLE, on_wake);
	if (detach_keys_parse(session->streams.detach_keys, &session->keys) < 0)
		r = session_bad_keys(session->streams.detach_keys, err);
	r = r ?: session_input_open(session, err);
	if (r < 0) {
		cor_session_free(session);
		return r;
	}
	*ret = session;
	return 0;
}

void cor_session_free(struct cor_session *session)
{
	if (!session)
		return;
	/* The calls end with the connection, and on_end still wants the session. */
	shim_client_free(session->client);
	cleanup_fd(&session->input_epoll);
	cleanup_fd(&session->wake_fd);
	free(session->process_id);
	free(session);
}

static int begin(struct cor_session *session, const char *path, const ProtobufCMessage *first,
		 struct cor_error *err)
{
	int r;

	if (!session->client->conn)
		return cor_fail(err, COR_UNAVAILABLE, EPIPE, "container %.12s: its shim is gone",
				session->client->id);
	r = rpc_call_begin(session->client->conn, path,
			   &(struct rpc_call_options){.timeout_ms = RPC_NO_DEADLINE}, &call_events, session,
			   &session->call, err);
	if (r < 0)
		return r;
	rpc_call_send_message(session->call, first);
	if (session->streams.in >= 0)
		session_input_start(session);
	return 0;
}

int session_attach(struct cor_session *session, bool foreground, struct cor_error *err)
{
	AttachRequest request = CORACLE__SHIM__V1__ATTACH_REQUEST__INIT;
	Coracle__Shim__V1__AttachOpen open = CORACLE__SHIM__V1__ATTACH_OPEN__INIT;

	open.foreground = foreground;
	open.stdin = session->streams.in >= 0;
	open.stdout = session->streams.out >= 0;
	open.stderr = session->streams.err >= 0;
	request.kind_case = CORACLE__SHIM__V1__ATTACH_REQUEST__KIND_OPEN;
	request.open = &open;
	return begin(session, SHIM_METHOD("Attach"), &request.base, err);
}

int session_exec(struct cor_session *session, const struct cor_process_options *process,
		 const char *process_json, bool detach, struct cor_error *err)
{
	Coracle__Shim__V1__ExecRequest request = CORACLE__SHIM__V1__EXEC_REQUEST__INIT;
	Coracle__Shim__V1__ExecOpen open = CORACLE__SHIM__V1__EXEC_OPEN__INIT;
	Coracle__Agent__V1__WindowSize window = CORACLE__AGENT__V1__WINDOW_SIZE__INIT;
	char id[ID_SIZE];
	int r = id_generate(id);

	if (r < 0)
		return cor_fail_errno(err, r, "no random bytes for an id");
	session->process_id = str_format("exec-%.16s", id);
	window.rows = process->rows;
	window.columns = process->columns;
	open.process_json = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)process_json,
						  .len = strlen(process_json)};
	open.stdin = process->interactive && session->streams.in >= 0;
	open.window = process->terminal && process->rows ? &window : NULL;
	open.detach = detach;
	open.process_id = session->process_id;
	request.kind_case = CORACLE__SHIM__V1__EXEC_REQUEST__KIND_OPEN;
	request.open = &open;
	if (!open.stdin)
		session->streams.in = -1;
	return begin(session, SHIM_METHOD("Exec"), &request.base, err);
}

int session_await_attached(struct cor_session *session, struct cor_error *err)
{
	while (!session->attached && !session->finished && session->client->conn)
		uv_run(&session->client->loop, UV_RUN_ONCE);
	if (session->attached || session->has_exit)
		return 0;
	if (!session->failure.status)
		return cor_fail(err, COR_UNAVAILABLE, EPIPE, "container %.12s: its shim is gone",
				session->client->id);
	if (err)
		*err = session->failure;
	return session->failure.err ? -session->failure.err : -EIO;
}

int cor_session_run(struct cor_session *session, enum cor_session_result *ret_result,
		    struct cor_exit *ret_exit, struct cor_error *err)
{
	while (!session->finished && !session->detached && !atomic_load(&session->interrupted) &&
	       session->client->conn)
		uv_run(&session->client->loop, UV_RUN_ONCE);
	if (session->has_exit) {
		*ret_result = COR_SESSION_EXITED;
		*ret_exit = session->exit;
		return 0;
	}
	if (session->detached || atomic_load(&session->interrupted)) {
		*ret_result = session->detached ? COR_SESSION_DETACHED : COR_SESSION_INTERRUPTED;
		return 0;
	}
	if (!session->failure.status)
		return cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "container %.12s: its shim died",
				session->client->id);
	if (err)
		*err = session->failure;
	return session->failure.err ? -session->failure.err : -EIO;
}

static int check_trace(const struct cor_session *session, struct cor_error *err)
{
	return session->trace.count
		       ? 0
		       : cor_fail(err, COR_NOT_FOUND, ENOENT, "this session did not start a container");
}

int cor_session_timings(struct cor_session *session, char **ret_text, struct cor_error *err)
{
	int r = check_trace(session, err);

	if (r == 0)
		*ret_text = trace_text(&session->trace);
	return r;
}

int cor_session_trace(struct cor_session *session, char **ret_json, struct cor_error *err)
{
	int r = check_trace(session, err);

	if (r == 0)
		*ret_json = trace_json(&session->trace);
	return r;
}
