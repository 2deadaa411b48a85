/* SPDX-License-Identifier: Apache-2.0 */
/* A session's input: from the caller's descriptor, past the detach keys, into the call. It stops while the call holds more than RPC_HIGH_WATER bytes. The descriptor
 * keeps its mode: it is watched through an epoll descriptor, because libuv would make a terminal non-blocking for everybody who shares it. */
#include "container/session.h"

#include "base/file.h"

#include <errno.h>
#include <sys/epoll.h>

#define INPUT_CHUNK (64u << 10)

typedef Coracle__Shim__V1__AttachRequest AttachRequest;

void session_input_stop(struct cor_session *session)
{
	if (session->input_polled)
		uv_poll_stop(&session->input_poll);
	if (session->input_idles)
		uv_idle_stop(&session->input_idle);
}

static void input_on_poll(uv_poll_t *poll_handle, int status, int events);
static void input_on_idle(uv_idle_t *idle);

void session_input_start(struct cor_session *session)
{
	if (session->input_polled)
		uv_poll_start(&session->input_poll, UV_READABLE, input_on_poll);
	if (session->input_idles)
		uv_idle_start(&session->input_idle, input_on_idle);
}

/* Attach and Exec have the same fields but for the first request, so that one type serves both. */
static void send_input(struct cor_session *session, uint8_t *data, size_t size)
{
	AttachRequest request = CORACLE__SHIM__V1__ATTACH_REQUEST__INIT;

	if (!size)
		return;
	request.kind_case = CORACLE__SHIM__V1__ATTACH_REQUEST__KIND_STDIN;
	request.stdin = (ProtobufCBinaryData){.data = data, .len = size};
	rpc_call_send_message(session->call, &request.base);
	if (rpc_call_queued(session->call) < RPC_HIGH_WATER)
		return;
	session->input_paused = true;
	session_input_stop(session);
}

static void close_input(struct cor_session *session)
{
	AttachRequest request = CORACLE__SHIM__V1__ATTACH_REQUEST__INIT;
	Coracle__Shim__V1__Empty empty = CORACLE__SHIM__V1__EMPTY__INIT;

	session_input_stop(session);
	session->streams.in = -1;
	request.kind_case = CORACLE__SHIM__V1__ATTACH_REQUEST__KIND_CLOSE_STDIN;
	request.close_stdin = &empty;
	rpc_call_send_message(session->call, &request.base);
}

static void read_input(struct cor_session *session)
{
	uint8_t typed[INPUT_CHUNK], passed[INPUT_CHUNK + DETACH_KEYS_MAX];
	size_t size;
	ssize_t n;

	if (!session->call || session->streams.in < 0)
		return;
	n = read(session->streams.in, typed, sizeof(typed));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* A terminal that is gone gives EIO: no more input, and no error of the process. */
	if (n <= 0) {
		close_input(session);
		return;
	}
	session->detached = detach_keys_feed(&session->keys, typed, (size_t)n, passed, &size);
	send_input(session, passed, size);
	if (session->detached)
		session_input_stop(session);
}

static void input_on_poll(uv_poll_t *poll_handle, int status, int events)
{
	read_input(poll_handle->data);
}

static void input_on_idle(uv_idle_t *idle)
{
	read_input(idle->data);
}

void session_input_resume(struct rpc_call *call, void *user)
{
	struct cor_session *session = user;

	if (!session->input_paused || session->streams.in < 0 || session->detached)
		return;
	session->input_paused = false;
	session_input_start(session);
}

int session_input_open(struct cor_session *session, struct cor_error *err)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (session->streams.in < 0)
		return 0;
	session->input_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (session->input_epoll < 0)
		return cor_fail_errno(err, errno, "epoll");
	if (epoll_ctl(session->input_epoll, EPOLL_CTL_ADD, session->streams.in, &event) == 0) {
		int r = uv_poll_init(&session->client->loop, &session->input_poll, session->input_epoll);

		if (r < 0)
			return cor_fail_errno(err, r, "poll the input");
		session->input_poll.data = session;
		session->input_polled = true;
	} else if (errno == EPERM) {
		/* A regular file can always be read. */
		uv_idle_init(&session->client->loop, &session->input_idle);
		session->input_idle.data = session;
		session->input_idles = true;
	} else {
		return cor_fail_errno(err, errno, "poll the input");
	}
	return 0;
}
