/* SPDX-License-Identifier: Apache-2.0 */
/* A call joined with a socket.
 *
 *     socket ──(read; its end: `sent`)──► call        the socket is closed when both directions are over, or
 *     socket ◄──(write; its end: `shut`)── call       the other end's socket is gone (`heard_gone`)
 *
 * A socket that cannot be written any more is read to its end, and what still comes for it is thrown away (`deaf`). One whose peer has closed it altogether ends
 * both directions, so that the other end's peer does not keep a connection to nobody. All changes lead to `settle`, which decides anew what to do. */
#include "rpc/splice.h"

#include "base/file.h"
#include "base/str.h"
#include "rpc/field.h"
#include "rpc/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define CHUNK (64u << 10)
#define READS 4 /* of one socket, before others have their turn */
#define HEAD  4 /* bytes of a head for 16 KiB and more, which is where copies count */

struct rpc_splice {
	struct rpc_call *call;
	bool client;
	int fd; /* -1 once closed */
	uv_poll_t *poll;
	int watched;            /* events */
	struct buffer out;      /* for the socket, which did not take it yet; the call is paused meanwhile */
	bool sent;              /* the socket's end was passed on */
	bool heard, heard_gone; /* the other end sends no more, and wants no more */
	bool shut;              /* the socket was told so */
	bool deaf;
	bool leaving; /* the call was ended from here */
	void (*done)(void *user);
	void *user;
};

static void settle(struct rpc_splice *splice);

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void close_socket(struct rpc_splice *splice)
{
	if (splice->poll)
		uv_close((uv_handle_t *)splice->poll, free_poll);
	splice->poll = NULL;
	close_fd(&splice->fd);
	buffer_release(&splice->out);
}

/* ---- from the socket ---- */

/* A peer that closed its end, and did not only say that it will write no more. */
static bool peer_is_gone(int fd)
{
	struct pollfd state = {.fd = fd};

	return poll(&state, 1, 0) == 1 && state.revents & POLLHUP;
}

static void send_end(struct rpc_splice *splice, bool gone)
{
	static const uint8_t end[] = {RPC_SPLICE_END << 3 | 2, 0},
			     end_gone[] = {RPC_SPLICE_END << 3 | 2, 2, 1 << 3, 1};

	splice->sent = true;
	rpc_call_send(splice->call, gone ? end_gone : end, gone ? sizeof(end_gone) : sizeof(end));
}

/* One read. False when there is nothing now. */
static bool pull(struct rpc_splice *splice)
{
	uint8_t head[RPC_FIELD_HEAD_MAX], *data = rpc_call_room(splice->call, HEAD, CHUNK);
	ssize_t n = recv(splice->fd, data, CHUNK, MSG_DONTWAIT);

	if (n > 0) {
		rpc_call_send_parts(splice->call, head, rpc_field_head(RPC_SPLICE_DATA, (size_t)n, head),
				    data, (size_t)n);
		return n == CHUNK;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	/* After the shutdown of both halves a hang-up says nothing. */
	bool gone = n < 0 || splice->deaf || (!splice->shut && peer_is_gone(splice->fd));
	splice->deaf |= gone;
	send_end(splice, gone);
	return false;
}

static void pull_some(struct rpc_splice *splice)
{
	for (int i = 0; i < READS && !splice->sent && !rpc_call_full(splice->call); i++)
		if (!pull(splice))
			return;
}

/* ---- to the socket ---- */

/* How much it took. */
static size_t push(struct rpc_splice *splice, const uint8_t *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = send(splice->fd, data + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			return done;
		} else if (errno != EINTR) {
			splice->deaf = true;
			return size;
		}
	}
	return done;
}

static void push_rest(struct rpc_splice *splice)
{
	buffer_consume(&splice->out, push(splice, buffer_bytes(&splice->out), buffer_size(&splice->out)));
	if (buffer_size(&splice->out))
		return;
	buffer_release(&splice->out);
	rpc_call_resume(splice->call);
}

static void take_data(struct rpc_splice *splice, const uint8_t *data, size_t size)
{
	size_t done;

	if (splice->fd < 0 || splice->deaf || splice->heard)
		return;
	done = push(splice, data, size);
	if (done == size)
		return;
	buffer_append(&splice->out, data + done, size - done);
	rpc_call_pause(splice->call);
}

/* ---- both ---- */

static void watch(struct rpc_splice *splice, int events);

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct rpc_splice *splice = poll->data;

	/* An error of the socket, which is heard by using it; libuv has stopped to watch. */
	if (status < 0)
		splice->watched = 0;
	if (buffer_size(&splice->out) && (status < 0 || events & UV_WRITABLE))
		push_rest(splice);
	if (status < 0 || events & UV_READABLE)
		pull_some(splice);
	settle(splice);
}

static void watch(struct rpc_splice *splice, int events)
{
	if (splice->watched == events)
		return;
	splice->watched = events;
	if (events)
		uv_poll_start(splice->poll, events, on_ready);
	else
		uv_poll_stop(splice->poll);
}

/* The server has the last word: once the client has said all and, at the other end, all is written. */
static void leave(struct rpc_splice *splice)
{
	if (splice->leaving || (!splice->client && !splice->heard))
		return;
	splice->leaving = true;
	rpc_call_resume(splice->call);
	if (splice->client)
		rpc_call_half_close(splice->call);
	else
		rpc_call_finish(splice->call, NULL);
}

static void settle(struct rpc_splice *splice)
{
	bool written = splice->deaf || !buffer_size(&splice->out);

	if (splice->fd >= 0 && splice->heard && written && !splice->shut) {
		splice->shut = true;
		shutdown(splice->fd, SHUT_WR);
	}
	if (splice->fd >= 0 && written &&
	    ((splice->sent && (splice->shut || splice->deaf)) || splice->heard_gone))
		close_socket(splice);
	if (splice->fd < 0) {
		leave(splice);
		return;
	}
	if (splice->deaf && buffer_size(&splice->out)) {
		buffer_release(&splice->out);
		rpc_call_resume(splice->call);
	}
	watch(splice, (splice->sent || rpc_call_full(splice->call) ? 0 : UV_READABLE) |
			      (buffer_size(&splice->out) ? UV_WRITABLE : 0));
}

/* ---- from the call ---- */

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct rpc_splice *splice = user;
	const uint8_t *payload;
	unsigned kind = 0;
	size_t length;

	if (rpc_field_parse(data, size, &kind, &payload, &length) < 0 || kind < RPC_SPLICE_DATA ||
	    kind > RPC_SPLICE_END) {
		rpc_splice_cut(splice);
		return;
	}
	if (kind == RPC_SPLICE_DATA) {
		take_data(splice, payload, length);
	} else {
		splice->heard = true;
		splice->heard_gone |= length == 2 && payload[0] == 1 << 3 && payload[1] == 1;
	}
	settle(splice);
}

static void on_half_close(struct rpc_call *call, void *user)
{
	struct rpc_splice *splice = user;

	splice->heard = true;
	settle(splice);
}

static void on_writable(struct rpc_call *call, void *user)
{
	settle(user);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct rpc_splice *splice = user;

	close_socket(splice);
	splice->done(splice->user);
	free(splice);
}

struct rpc_splice *rpc_splice_new(struct rpc_call *call, int fd, void (*done)(void *user), void *user)
{
	static const struct rpc_call_events events = {.on_message = on_message,
						      .on_half_close = on_half_close,
						      .on_writable = on_writable,
						      .on_end = on_end};
	struct rpc_splice *splice = xcalloc(1, sizeof(*splice));

	*splice = (struct rpc_splice){
		.call = call, .client = !call->conn->server, .fd = fd, .done = done, .user = user};
	splice->poll = xcalloc(1, sizeof(*splice->poll));
	rpc_call_listen(call, &events, splice);
	if (fd_set_nonblocking(fd, true) < 0 || uv_poll_init(call->conn->loop, splice->poll, fd) < 0) {
		free(steal_ptr(splice->poll));
		rpc_splice_cut(splice);
		return splice;
	}
	splice->poll->data = splice;
	rpc_call_resume(call);
	settle(splice);
	return splice;
}

void rpc_splice_cut(struct rpc_splice *splice)
{
	struct cor_error err;

	close_socket(splice);
	if (splice->leaving)
		return;
	splice->leaving = true;
	cor_fail(&err, COR_CANCELLED, ECONNRESET, "the connection was broken off");
	if (splice->client)
		rpc_call_cancel(splice->call);
	else
		rpc_call_finish(splice->call, &err);
}
