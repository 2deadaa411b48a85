/* SPDX-License-Identifier: Apache-2.0 */
/* Init's side of copying: it starts a worker in the container's root and carries messages between it and the call, without looking into them. Nothing gathers
 * here: while the call's queue is full the worker's pipe is not read, and while the worker does not read the call is paused. The end of the call is the worker's. */
#include "init/tree.h"

#include "agent.pb-c.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "init/files.h"
#include "init/process.h"
#include "init/tree_worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PIPE_SIZE  (1 << 20)
#define ANSWER_MAX ((size_t)PIPE_SIZE / 2) /* of the worker's: a whole one is in the pipe before it is read */

struct tree {
	struct guest *guest;
	struct rpc_call *call;
	int worker; /* pidfd; -1 before it is started */
	int in, out;
	uv_poll_t *in_poll, *out_poll;
	struct buffer requests;  /* that the worker's pipe has no room for yet */
	struct tree_frame frame; /* whose head was read; word 0: none */
	struct buffer part;      /* of a frame that came in pieces */
	bool finished;           /* the call has its status */
};

/* ---- its end ---- */

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void close_end(uv_poll_t **poll, int *fd)
{
	if (*poll)
		uv_close((uv_handle_t *)*poll, free_poll);
	*poll = NULL;
	close_fd(fd);
}

static void tree_free(struct tree *tree)
{
	if (tree->worker >= 0)
		syscall(SYS_pidfd_send_signal, tree->worker, SIGKILL, NULL, 0);
	close_end(&tree->in_poll, &tree->in);
	close_end(&tree->out_poll, &tree->out);
	close_fd(&tree->worker);
	buffer_release(&tree->requests);
	buffer_release(&tree->part);
	free(tree);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	tree_free(user);
}

static void finish(struct tree *tree, const struct cor_error *err)
{
	if (tree->finished)
		return;
	tree->finished = true;
	close_end(&tree->in_poll, &tree->in);
	close_end(&tree->out_poll, &tree->out);
	rpc_call_resume(tree->call);
	rpc_call_finish(tree->call, err);
}

/* ---- answers ---- */

static int waiting(const struct tree *tree)
{
	int size = 0;

	return ioctl(tree->out, FIONREAD, &size) < 0 ? 0 : size;
}

static int read_head(struct tree *tree, struct cor_error *err)
{
	ssize_t n = read(tree->out, &tree->frame, sizeof(tree->frame));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return cor_fail_errno(err, errno, "the process that copies");
	if (n != sizeof(tree->frame))
		return cor_fail(err, COR_INTERNAL, EPIPE, "the process that copies was killed");
	if (tree->frame.size > ANSWER_MAX)
		return cor_fail(err, COR_INTERNAL, EMSGSIZE, "the process that copies makes no sense");
	return 1;
}

/* Takes what is there of a frame that is still being written, so that nothing is left for the loop to turn on. */
static int read_part(struct tree *tree, struct cor_error *err)
{
	size_t left = tree->frame.size - buffer_size(&tree->part);
	ssize_t n = read(tree->out, buffer_reserve(&tree->part, left), left);

	if (n > 0)
		buffer_commit(&tree->part, (size_t)n);
	if (n == 0)
		return cor_fail(err, COR_INTERNAL, EPIPE, "the process that copies was killed");
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return cor_fail_errno(err, errno, "the process that copies");
	return buffer_size(&tree->part) == tree->frame.size;
}

static int give_up(struct tree *tree, struct cor_error *err)
{
	int r = fd_read_all(tree->out, err, sizeof(*err));

	return r < 0 ? cor_fail_errno(err, r, "the process that copies") : -(err->err ? err->err : EIO);
}

/* The usual case: the whole message waits, and is read to where it is sent from. */
static int forward(struct tree *tree, struct cor_error *err)
{
	uint8_t *room = rpc_call_room(tree->call, 0, tree->frame.size);
	ssize_t n = read(tree->out, room, tree->frame.size);

	if (n != (ssize_t)tree->frame.size)
		return cor_fail_errno(err, n < 0 ? errno : EPIPE, "the process that copies");
	rpc_call_send_parts(tree->call, NULL, 0, room, tree->frame.size);
	return 1;
}

/* 1 when a frame was dealt with, 0 when more must come. */
static int take_frame(struct tree *tree, struct cor_error *err)
{
	int r = tree->frame.word ? 1 : read_head(tree, err);
	bool whole;

	if (r <= 0)
		return r;
	whole = !buffer_size(&tree->part) && (size_t)waiting(tree) >= tree->frame.size;
	if (tree->frame.word == TREE_DONE) {
		finish(tree, NULL);
		return 0;
	}
	if (tree->frame.word == TREE_FAILURE)
		return whole && tree->frame.size == sizeof(*err) ? give_up(tree, err) : 0;
	if (whole) {
		r = forward(tree, err);
	} else if ((r = read_part(tree, err)) > 0) {
		rpc_call_send(tree->call, buffer_bytes(&tree->part), buffer_size(&tree->part));
		buffer_clear(&tree->part);
	}
	if (r > 0)
		tree->frame.word = 0;
	return r;
}

static void on_answer(uv_poll_t *poll, int status, int events);

static void pump(struct tree *tree)
{
	struct cor_error err = {0};
	int r = 1;

	while (r > 0 && rpc_call_queued(tree->call) <= RPC_HIGH_WATER)
		r = take_frame(tree, &err);
	if (r < 0)
		finish(tree, &err);
	else if (tree->out_poll && r > 0)
		uv_poll_stop(tree->out_poll);
	else if (tree->out_poll)
		uv_poll_start(tree->out_poll, UV_READABLE | UV_DISCONNECT, on_answer);
}

static void on_answer(uv_poll_t *poll, int status, int events)
{
	pump(poll->data);
}

static void on_writable(struct rpc_call *call, void *user)
{
	struct tree *tree = user;

	if (!tree->finished)
		pump(tree);
}

/* ---- requests ---- */

static void on_room(uv_poll_t *poll, int status, int events);

/* What the worker does not take any more is thrown away: it says why. */
static void write_requests(struct tree *tree)
{
	while (tree->in >= 0 && buffer_size(&tree->requests)) {
		ssize_t n = write(tree->in, buffer_bytes(&tree->requests), buffer_size(&tree->requests));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			uv_poll_start(tree->in_poll, UV_WRITABLE, on_room);
			rpc_call_pause(tree->call);
			return;
		}
		if (n < 0) {
			close_end(&tree->in_poll, &tree->in);
			buffer_clear(&tree->requests);
			break;
		}
		buffer_consume(&tree->requests, (size_t)n);
	}
	if (tree->in_poll)
		uv_poll_stop(tree->in_poll);
	rpc_call_resume(tree->call);
}

static void on_room(uv_poll_t *poll, int status, int events)
{
	write_requests(poll->data);
}

/* Straight into the pipe where nothing waits before it. */
static void pass_on(struct tree *tree, enum tree_word word, const uint8_t *data, size_t size)
{
	struct tree_frame frame = {.word = word, .size = (uint32_t)size};
	struct iovec parts[2] = {{&frame, sizeof(frame)}, {(void *)(uintptr_t)data, size}};
	size_t written = 0;

	if (tree->in < 0)
		return;
	if (!buffer_size(&tree->requests)) {
		ssize_t n = writev(tree->in, parts, 2);

		written = n > 0 ? (size_t)n : 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t skip = MIN(written, parts[i].iov_len);

		buffer_append(&tree->requests, (uint8_t *)parts[i].iov_base + skip, parts[i].iov_len - skip);
		written -= skip;
	}
	write_requests(tree);
}

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	pass_on(user, TREE_MESSAGE, data, size);
}

static void on_half_close(struct rpc_call *call, void *user)
{
	pass_on(user, TREE_DONE, NULL, 0);
}

/* ---- the worker ---- */

static int watch(struct tree *tree, int fd, uv_poll_t **ret, struct cor_error *err)
{
	uv_poll_t *poll = xcalloc(1, sizeof(*poll));
	int r = fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE) < 0 ? -errno : fd_set_nonblocking(fd, true);

	r = r ?: uv_poll_init(tree->guest->loop, poll, fd);
	if (r < 0) {
		free(poll);
		return cor_fail_errno(err, r, "a process that copies");
	}
	poll->data = tree;
	*ret = poll;
	return 0;
}

static int start_worker(struct tree *tree, const struct tree_job *job, struct cor_error *err)
{
	_fd_ int in = -1, out = -1;
	int requests[2], answers[2];
	pid_t pid;
	int r;

	if (pipe2(requests, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "a process that copies");
	in = requests[0];
	tree->in = requests[1];
	if (pipe2(answers, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "a process that copies");
	tree->out = answers[0];
	out = answers[1];
	r = watch(tree, tree->in, &tree->in_poll, err);
	r = r ?: watch(tree, tree->out, &tree->out_poll, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		tree_work(job, in, out);
	if (pid < 0)
		return cor_fail_errno(err, errno, "a process that copies");
	/* It is not reaped before the loop goes on. */
	tree->worker = (int)syscall(SYS_pidfd_open, pid, 0);
	if (tree->worker < 0) {
		r = errno;
		kill(pid, SIGKILL);
		return cor_fail_errno(err, r, "a process that copies");
	}
	uv_poll_start(tree->out_poll, UV_READABLE | UV_DISCONNECT, on_answer);
	return 0;
}

static const struct rpc_call_events events = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_writable = on_writable,
	.on_end = on_end,
};

static struct tree *tree_new(struct guest *guest, struct rpc_call *call)
{
	struct tree *tree = xcalloc(1, sizeof(*tree));

	*tree = (struct tree){.guest = guest, .call = call, .worker = -1, .in = -1, .out = -1};
	return tree;
}

/* Copies of what protobuf-c has as bytes; NULL with a NUL in them. */
static char *take_path(const ProtobufCBinaryData *bytes)
{
	if (!bytes->len)
		return xstrdup("");
	return memchr(bytes->data, '\0', bytes->len) ? NULL : xstrndup((const char *)bytes->data, bytes->len);
}

/* Takes over job->root and begins. The tree belongs to the call from here on. */
static int begin(struct guest *guest, struct rpc_call *call, const struct tree_job *job,
		 struct cor_error *err)
{
	_fd_ int root = job->root;
	struct tree *tree;
	int r;

	if (root < 0)
		return root;
	if (!job->path || *job->path != '/' || !job->name)
		return cor_fail(err, COR_INVALID, EINVAL, "an absolute path is needed");
	tree = tree_new(guest, call);
	r = start_worker(tree, job, err);
	if (r < 0) {
		tree_free(tree);
		return r;
	}
	rpc_call_listen(call, &events, tree);
	return 0;
}

/* ---- the calls ---- */

int tree_stat(void *service, struct rpc_call *call, const ProtobufCMessage *message, struct cor_error *err)
{
	const Coracle__Agent__V1__StatPathRequest *request = (const void *)message;
	_free_ char *path = take_path(&request->path);
	const struct tree_job job = {
		.kind = TREE_STAT,
		.root = files_open_root(service, request->container_id, false, err),
		.unmounted = files_unmounted(service, request->container_id),
		.path = path,
		.name = "",
	};

	return begin(service, call, &job, err);
}

static int open_sending(struct guest *guest, struct rpc_call *call,
			const Coracle__Agent__V1__SendTreeRequest *request, struct cor_error *err)
{
	_free_ char *path = take_path(&request->path), *name = take_path(&request->name);
	const struct tree_job job = {
		.kind = TREE_SEND,
		.root = files_open_root(guest, request->container_id, request->disk, err),
		.unmounted = request->disk ? NULL : files_unmounted(guest, request->container_id),
		.path = request->disk ? "/" : path,
		.name = name,
		.only_metadata = request->only_metadata,
		.details = request->details,
		.wanted = request->wanted.len ? request->wanted.data : NULL,
		.wanted_size = request->wanted.len,
		.mailbox = request->room != 0,
		.room = request->room,
	};

	return begin(guest, call, &job, err);
}

/* The first request says where to. */
static int open_receiving(struct guest *guest, struct rpc_call *call,
			  const Coracle__Agent__V1__ReceiveTreeRequest *request, struct cor_error *err)
{
	const Coracle__Agent__V1__ReceiveTreeOpen *open = request->open;
	_free_ char *path = NULL;
	struct tree_job job = {.kind = TREE_RECEIVE, .name = ""};

	if (request->kind_case != CORACLE__AGENT__V1__RECEIVE_TREE_REQUEST__KIND_OPEN || !open)
		return cor_fail(err, COR_INVALID, EPROTO, "ReceiveTree takes one `open`, then items");
	path = take_path(&open->path);
	job.path = path;
	job.keep_owners = open->keep_owners;
	job.mailbox = open->mailbox;
	job.root = files_open_root(guest, open->container_id, false, err);
	job.unmounted = files_unmounted(guest, open->container_id);
	return begin(guest, call, &job, err);
}

static void on_receive(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__receive_tree_request__descriptor, data, size, &err);

	if (!message || open_receiving(user, call, (const void *)message, &err) < 0)
		rpc_call_finish(call, &err);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

static void on_send(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__send_tree_request__descriptor, data, size, &err);

	if (!message || open_sending(user, call, (const void *)message, &err) < 0)
		rpc_call_finish(call, &err);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

static void on_no_message(struct rpc_call *call, void *user)
{
	struct cor_error err;

	cor_fail(&err, COR_INVALID, EPROTO, "a tree without a request");
	rpc_call_finish(call, &err);
}

int tree_receive(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events first = {.on_message = on_receive,
						     .on_half_close = on_no_message};

	rpc_call_listen(call, &first, service);
	return 0;
}

int tree_send(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events first = {.on_message = on_send, .on_half_close = on_no_message};

	rpc_call_listen(call, &first, service);
	return 0;
}
