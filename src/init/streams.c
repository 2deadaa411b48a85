/* SPDX-License-Identifier: Apache-2.0 */
/* Everything is driven by three things: a descriptor is ready, the call has room, the process has ended. Each leads to `pump`, which
 * decides anew what to watch. */
#include "init/streams.h"

#include "base/file.h"
#include "base/str.h"
#include "rpc/field.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

/* The process that fills a pipe and init, which empties it, take turns: the larger the pipe, the fewer. */
#define PIPE_SIZE    (1 << 20)
#define READ_MIN     (16 << 10) /* for what does not tell how much waits */
#define FIELD_STDOUT 1          /* of AttachProcessResponse */
#define FIELD_STDERR 2
#define HEAD_BYTES   4 /* of a message of 16 KiB to 2 MiB */

static void pump(struct streams *streams);
static void on_ready(uv_poll_t *poll, int status, int events);

/* ---- descriptors ---- */

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void stream_close(struct stream *stream)
{
	if (stream->poll)
		uv_close((uv_handle_t *)stream->poll, free_poll);
	stream->poll = NULL;
	stream->watching = false;
	close_fd(&stream->fd);
}

static int stream_open(struct stream *stream, struct streams *streams, int fd, uint8_t field)
{
	uv_poll_t *poll;
	int r;

	*stream = (struct stream){.streams = streams, .fd = fd, .field = field};
	if (fd < 0)
		return 0;
	/* Of a pipe; what is none keeps its size. */
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	poll = xcalloc(1, sizeof(*poll));
	r = uv_poll_init(streams->loop, poll, fd);
	if (r < 0) {
		free(poll);
		close_fd(&stream->fd);
		return r;
	}
	poll->data = stream;
	stream->poll = poll;
	return 0;
}

static void stream_watch(struct stream *stream, bool watch, int events)
{
	if (!stream->poll || stream->watching == watch)
		return;
	stream->watching = watch;
	if (watch)
		uv_poll_start(stream->poll, events, on_ready);
	else
		uv_poll_stop(stream->poll);
}

static int open_all(struct streams *streams, uv_loop_t *loop, int in, int out, int err,
		    struct cor_error *error)
{
	int r;

	streams->loop = loop;
	r = stream_open(&streams->in, streams, in, 0);
	r = stream_open(&streams->out, streams, out, FIELD_STDOUT) ?: r;
	r = stream_open(&streams->err, streams, err, FIELD_STDERR) ?: r;
	return r < 0 ? cor_fail_errno(error, r, "the standard streams") : 0;
}

void streams_init(struct streams *streams)
{
	*streams = (struct streams){.in.fd = -1, .out.fd = -1, .err.fd = -1};
}

int streams_open(struct streams *streams, uv_loop_t *loop, int in, int out, int err, struct cor_error *error)
{
	return open_all(streams, loop, in, out, err, error);
}

int streams_open_terminal(struct streams *streams, uv_loop_t *loop, int master, bool in,
			  struct cor_error *error)
{
	/* A second descriptor, since a poll handle serves one direction of one descriptor here. */
	int input = in ? fcntl(master, F_DUPFD_CLOEXEC, 0) : -1;

	fd_set_nonblocking(master, true);
	streams->terminal = true;
	return open_all(streams, loop, input, master, -1, error);
}

int streams_resize(struct streams *streams, uint32_t rows, uint32_t columns)
{
	struct winsize size = {
		.ws_row = (unsigned short)MIN(rows, (uint32_t)UINT16_MAX),
		.ws_col = (unsigned short)MIN(columns, (uint32_t)UINT16_MAX),
	};

	if (!streams->terminal || streams->out.fd < 0)
		return -ENOTTY;
	return ioctl(streams->out.fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

/* ---- output ---- */

static bool has_room(const struct streams *streams)
{
	return streams->call && rpc_call_queued(streams->call) <= RPC_HIGH_WATER;
}

/* All that waits. */
static size_t read_size(const struct stream *stream)
{
	int waiting = 0;
	size_t size;

	(void)ioctl(stream->fd, FIONREAD, &waiting);
	size = MIN(MAX(waiting, READ_MIN), PIPE_SIZE);
	return stream->streams->exit ? MIN(size, stream->left) : size;
}

/* Reads once and sends. False when there is nothing now. */
static bool forward(struct stream *stream)
{
	struct streams *streams = stream->streams;
	size_t size = read_size(stream);
	uint8_t head[RPC_FIELD_HEAD_MAX], *data = rpc_call_room(streams->call, HEAD_BYTES, size);
	ssize_t n = read(stream->fd, data, size);

	if (n > 0) {
		if (streams->exit)
			stream->left -= (size_t)n;
		rpc_call_send_parts(streams->call, head, rpc_field_head(stream->field, (size_t)n, head), data,
				    (size_t)n);
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	/* A terminal without users says EIO. */
	if (n == 0 || errno != EAGAIN || streams->exit)
		stream_close(stream);
	return false;
}

static void drain(struct stream *stream)
{
	while (stream->fd >= 0 && has_room(stream->streams) && forward(stream))
		;
}

static void send_exit(struct streams *streams)
{
	Coracle__Agent__V1__AttachProcessResponse response =
		CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__INIT;

	response.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_EXIT;
	response.exit = (Coracle__Agent__V1__ExitStatus *)streams->exit;
	rpc_call_reply(streams->call, &response.base);
}

/* ---- input ---- */

static void input_done(struct streams *streams)
{
	buffer_release(&streams->input);
	stream_close(&streams->in);
	if (streams->call)
		rpc_call_resume(streams->call);
}

/* A terminal has no half-close: its programs know the end of their input by a character. */
static void write_input(struct streams *streams)
{
	while (streams->in.fd >= 0 && buffer_size(&streams->input)) {
		ssize_t n =
			write(streams->in.fd, buffer_bytes(&streams->input), buffer_size(&streams->input));

		if (n < 0 && errno == EAGAIN) {
			stream_watch(&streams->in, true, UV_WRITABLE);
			if (streams->call)
				rpc_call_pause(streams->call);
			return;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			input_done(streams);
			return;
		}
		buffer_consume(&streams->input, (size_t)n);
	}
	stream_watch(&streams->in, false, 0);
	if (streams->input_ended && !streams->terminal)
		input_done(streams);
	else if (streams->call)
		rpc_call_resume(streams->call);
}

/* ---- the three causes ---- */

static void pump(struct streams *streams)
{
	if (streams->exit) {
		drain(&streams->out);
		drain(&streams->err);
		if (streams->call && streams->out.fd < 0 && streams->err.fd < 0) {
			send_exit(streams);
			return;
		}
	}
	stream_watch(&streams->out, has_room(streams), UV_READABLE);
	stream_watch(&streams->err, has_room(streams), UV_READABLE);
}

/* A terminal gives a page at a time, a pipe all that it has. */
static void read_output(struct stream *stream)
{
	int reads = stream->streams->terminal ? 16 : 1;

	while (reads-- && stream->fd >= 0 && has_room(stream->streams) && forward(stream))
		;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct stream *stream = poll->data;
	struct streams *streams = stream->streams;

	if (stream == &streams->in)
		write_input(streams);
	else
		read_output(stream);
	pump(streams);
}

void streams_writable(struct streams *streams)
{
	pump(streams);
}

/* Descendants may keep a pipe open, and even fill it for ever; what counts is what was in it when the process had ended. A terminal is
 * taken from them when its session's leader ends, so that it empties. */
static void measure(struct stream *stream)
{
	int size = 0;

	stream->left = SIZE_MAX;
	if (!stream->streams->terminal && stream->fd >= 0 && ioctl(stream->fd, FIONREAD, &size) == 0)
		stream->left = (size_t)size;
}

void streams_process_ended(struct streams *streams, const Coracle__Agent__V1__ExitStatus *status)
{
	streams->exit = status;
	measure(&streams->out);
	measure(&streams->err);
	input_done(streams);
	pump(streams);
}

/* ---- attaching ---- */

void streams_attach(struct streams *streams, struct rpc_call *call)
{
	Coracle__Agent__V1__AttachProcessResponse response =
		CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__INIT;
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;
	struct rpc_call *old = streams->call;

	if (old) {
		struct cor_error err;

		cor_fail(&err, COR_CANCELLED, ECANCELED, "another client attached to this process");
		streams->call = NULL;
		rpc_call_listen(old, &(struct rpc_call_events){0}, NULL);
		rpc_call_resume(old);
		rpc_call_finish(old, &err);
	}
	streams->call = call;
	response.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_ATTACHED;
	response.attached = &empty;
	rpc_call_send_message(call, &response.base);
	if (buffer_size(&streams->input))
		rpc_call_pause(call);
	pump(streams);
}

void streams_request(struct streams *streams, const Coracle__Agent__V1__AttachProcessRequest *request)
{
	switch (request->kind_case) {
	case CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_STDIN:
		if (streams->in.fd < 0 || streams->input_ended)
			return;
		buffer_append(&streams->input, request->stdin.data, request->stdin.len);
		write_input(streams);
		return;
	case CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_CLOSE_STDIN:
		streams_half_close(streams);
		return;
	case CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_RESIZE:
		if (request->resize)
			(void)streams_resize(streams, request->resize->rows, request->resize->columns);
		return;
	default:
		return;
	}
}

void streams_half_close(struct streams *streams)
{
	streams->input_ended = true;
	if (streams->in.fd >= 0 && !buffer_size(&streams->input))
		write_input(streams);
}

void streams_detach(struct streams *streams)
{
	streams->call = NULL;
	pump(streams);
}

void streams_close(struct streams *streams, const struct cor_error *reason)
{
	struct rpc_call *call = streams->call;

	streams->call = NULL;
	if (call) {
		rpc_call_listen(call, &(struct rpc_call_events){0}, NULL);
		rpc_call_resume(call);
		rpc_call_finish(call, reason);
	}
	stream_close(&streams->in);
	stream_close(&streams->out);
	stream_close(&streams->err);
	buffer_release(&streams->input);
}
