/* SPDX-License-Identifier: Apache-2.0 */
/* Plain, blocking, straight through: whoever does not want it any more kills it. */
#include "init/tree_worker.h"

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "copy/message.h"
#include "copy/walk.h"
#include "copy/write.h"
#include "init/container.h"
#include "init/mailbox.h"
#include "init/mount.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define TAG_REQUEST_ITEMS 0x12 /* ReceiveTreeRequest.items */
#define AHEAD             (2u << 20)

struct worker {
	const struct tree_job *job;
	struct mailbox mailbox;
	uint8_t *buffer; /* of requests */
	size_t capacity;
	int in, out, links; /* links: init's own /proc/self/fd, in which an open file tells its path */
};

/* ---- speaking with init ---- */

static int write_frame(int fd, enum tree_word word, const struct iovec *parts, int count)
{
	struct tree_frame frame = {.word = word};
	struct iovec all[3] = {{.iov_base = &frame, .iov_len = sizeof(frame)}}, *next = all;

	for (int i = 0; i < count; i++) {
		all[1 + i] = parts[i];
		frame.size += (uint32_t)parts[i].iov_len;
	}
	for (count++; count;) {
		ssize_t n = writev(fd, next, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; count && (size_t)n >= next->iov_len; next++, count--)
			n -= (ssize_t)next->iov_len;
		if (count) {
			next->iov_base = (char *)next->iov_base + n;
			next->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int send_message(void *user, const void *head, size_t head_size, const void *body, size_t body_size,
			struct cor_error *err)
{
	struct worker *worker = user;
	struct iovec parts[2] = {{(void *)(uintptr_t)head, head_size}, {(void *)(uintptr_t)body, body_size}};
	int r = write_frame(worker->out, TREE_MESSAGE, parts, body_size ? 2 : 1);

	return r < 0 ? cor_fail_errno(err, r, "answer") : 0;
}

/* Page by page out of the file's cache into the pipe, without a copy of ours. */
static int send_range(void *user, const void *head, size_t head_size, int fd, uint64_t offset, size_t size,
		      struct cor_error *err)
{
	static const uint8_t zeros[65536];
	struct worker *worker = user;
	struct tree_frame frame = {.word = TREE_MESSAGE, .size = (uint32_t)(head_size + size)};
	uint8_t start[sizeof(frame) + COPY_HEAD_MAX];
	off_t at = (off_t)offset;
	int r;

	/* The disk works while the pieces before are on their way. */
	if (offset % AHEAD == 0)
		posix_fadvise(fd, at, 2 * AHEAD, POSIX_FADV_WILLNEED);
	memcpy(start, &frame, sizeof(frame));
	memcpy(start + sizeof(frame), head, head_size);
	r = fd_write_all(worker->out, start, sizeof(frame) + head_size);
	while (r == 0 && size) {
		ssize_t n = splice(fd, &at, worker->out, NULL, size, SPLICE_F_MORE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		size -= (size_t)n;
	}
	/* What cannot be had, because the file has become shorter or cannot be read, was promised already. */
	for (; r == 0 && size; size -= MIN(size, sizeof(zeros)))
		r = fd_write_all(worker->out, zeros, MIN(size, sizeof(zeros)));
	return r < 0 ? cor_fail_errno(err, r, "answer") : 0;
}

static int send_packed(struct worker *worker, const ProtobufCMessage *message, struct cor_error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	_free_ uint8_t *packed = xmalloc(size);

	protobuf_c_message_pack(message, packed);
	return send_message(worker, packed, size, NULL, 0, err);
}

/* ---- what a path stands for ---- */

/* What a link says; NULL where it cannot be read. */
static char *read_link(int dir, const char *name)
{
	char target[COPY_PATH_MAX + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	return n > 0 && (size_t)n < sizeof(target) ? xstrndup(target, (size_t)n) : NULL;
}

/* As the container sees it. */
static char *path_of(const struct worker *worker, int fd)
{
	_free_ char *name = str_format("%d", fd);

	return read_link(worker->links, name);
}

/* Where a link leads, as the container sees it; where that is nowhere, what it says. */
static char *resolve(const struct worker *worker, const char *path)
{
	_fd_ int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? read_link(AT_FDCWD, path) : path_of(worker, fd);
}

static int tell(struct worker *worker, struct cor_error *err)
{
	Coracle__Agent__V1__TreeEntry answer = CORACLE__AGENT__V1__TREE_ENTRY__INIT;
	const char *path = worker->job->path;
	_free_ char *target = NULL;
	struct stat st;

	/* Below a file there is nothing either. */
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOTDIR ? cor_fail(err, COR_NOT_FOUND, errno, "'%.256s' in the container: %s",
						   path, strerror(errno))
					: cor_fail_errno(err, errno, "'%.256s' in the container", path);
	answer.mode = st.st_mode;
	answer.uid = st.st_uid;
	answer.gid = st.st_gid;
	answer.size = (uint64_t)st.st_size;
	answer.mtime = st.st_mtim.tv_sec;
	answer.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	if (S_ISLNK(st.st_mode))
		target = resolve(worker, path);
	if (target)
		answer.target = (ProtobufCBinaryData){.data = (uint8_t *)target, .len = strlen(target)};
	return send_packed(worker, &answer.base, err);
}

/* ---- out of the container ---- */

/* A last part that is nothing or "." stands for the folder itself, through links. */
static int split(const char *path, int *ret_dir, const char **ret_last, struct cor_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	bool whole = !*last || strcmp(last, ".") == 0;
	_free_ char *above = whole ? xstrdup(path) : xstrndup(path, (size_t)(last - path));

	*ret_dir = open(*above ? above : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return cor_fail_errno(err, errno, "'%.256s' in the container", path);
	*ret_last = whole ? "." : last;
	return 0;
}

/* 1 with a message, 0 at the end. */
static int read_frame(struct worker *worker, size_t *ret_size)
{
	struct tree_frame frame;
	int r = fd_read_all(worker->in, &frame, sizeof(frame));

	if (r < 0 || frame.word == TREE_DONE)
		return r;
	if (frame.size > worker->capacity) {
		worker->capacity = frame.size;
		worker->buffer = xreallocarray(worker->buffer, frame.size, 1);
	}
	r = fd_read_all(worker->in, worker->buffer, frame.size);
	*ret_size = frame.size;
	return r < 0 ? r : 1;
}

/* Whoever gives no more has it all in messages. */
static int wait_for_room(struct worker *worker, struct cor_error *err)
{
	size_t size = 0;

	while (!worker->mailbox.room) {
		Coracle__Agent__V1__SendTreeRequest *request;
		int r = read_frame(worker, &size);

		if (r < 0)
			return cor_fail_errno(err, r, "requests");
		if (r == 0)
			return 0;
		request = (void *)rpc_decode(&coracle__agent__v1__send_tree_request__descriptor,
					     worker->buffer, size, err);
		if (!request)
			return -EPROTO;
		mailbox_add_room(&worker->mailbox, request->room);
		protobuf_c_message_free_unpacked(&request->base, NULL);
	}
	return 1;
}

static int leave(void *user, int fd, uint64_t offset, const void *data, size_t size, uint32_t *ret_place,
		 struct cor_error *err)
{
	struct worker *worker = user;
	_free_ char *path = NULL;
	int r = worker->mailbox.disk < 0 ? 0 : wait_for_room(worker, err);

	if (r == 0)
		mailbox_close(&worker->mailbox);
	if (r <= 0)
		return r;
	r = mailbox_put(&worker->mailbox, fd, offset, data, size, ret_place, err);
	if (r < 0 && fd >= 0)
		path = path_of(worker, fd);
	return path ? cor_context(err, r, "'%.256s' in the container", path) : r ?: 1;
}

static int send_tree(struct worker *worker, struct cor_error *err)
{
	_cleanup_(copy_packer_release) struct copy_packer packer = {
		.send = send_message, .send_range = send_range, .leave = leave, .user = worker};
	const struct tree_job *job = worker->job;
	const struct copy_walk walk = {
		.sink = copy_packer_sink(&packer),
		.name = job->name,
		.attributes = job->details ? COPY_ALL_ATTRIBUTES : COPY_NO_ATTRIBUTES,
		.details = job->details,
		.only_metadata = job->only_metadata,
		.wanted = job->wanted,
		.wanted_size = job->wanted_size,
	};
	_fd_ int dir = -1;
	const char *last = NULL;
	int r = split(job->path, &dir, &last, err);

	mailbox_add_room(&worker->mailbox, job->room);
	r = r ?: copy_walk(dir, last, &walk, err);
	return r ?: copy_packer_flush(&packer, err);
}

/* ---- into the container ---- */

/* The items of a request, which stand in it as they are. */
static int find_items(const uint8_t *request, size_t size, const uint8_t **ret, size_t *ret_size)
{
	uint64_t length = 0;
	size_t at = 1;

	if (size < 2 || request[0] != TAG_REQUEST_ITEMS)
		return -EPROTO;
	for (unsigned shift = 0; shift < 35; shift += 7) {
		if (at == size)
			return -EPROTO;
		length |= (uint64_t)(request[at] & 0x7f) << shift;
		if (!(request[at++] & 0x80))
			break;
	}
	if (length != size - at)
		return -EPROTO;
	*ret = request + at;
	*ret_size = size - at;
	return 0;
}

static int give_room(struct worker *worker, uint32_t room, struct cor_error *err)
{
	Coracle__Agent__V1__ReceiveTreeResponse answer = CORACLE__AGENT__V1__RECEIVE_TREE_RESPONSE__INIT;

	answer.room = room;
	return send_packed(worker, &answer.base, err);
}

struct taking {
	struct worker *worker;
	struct copy_unpacker unpacker;
};

static int fetch(void *user, uint64_t offset, uint32_t place, size_t size, struct cor_error *err)
{
	struct taking *taking = user;
	struct mailbox *mailbox = &taking->worker->mailbox;
	const struct copy_sink *sink = &taking->unpacker.sink;
	int r = mailbox_take(mailbox, place, size, err);

	r = r ?: sink->data(sink->user, offset, mailbox->bytes, size, err);
	return r ?: give_room(taking->worker, 1, err);
}

static int take_all(struct worker *worker, struct copy_unpacker *unpacker, struct cor_error *err)
{
	const uint8_t *items = NULL;
	size_t size = 0;
	int r;

	while ((r = read_frame(worker, &size)) > 0) {
		if (find_items(worker->buffer, size, &items, &size) < 0)
			return cor_fail(err, COR_INVALID, EPROTO, "a request of ReceiveTree has no items");
		r = copy_unpack(unpacker, items, size, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? cor_fail_errno(err, r, "requests") : 0;
}

static int receive_tree(struct worker *worker, struct cor_error *err)
{
	Coracle__Agent__V1__ReceiveTreeResponse answer = CORACLE__AGENT__V1__RECEIVE_TREE_RESPONSE__INIT;
	const struct copy_writing how = {
		.owners = worker->job->keep_owners ? COPY_OWNERS_KEPT : COPY_OWNERS_ROOT, .direct = true};
	_fd_ int dir = open(worker->job->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(copy_writer_freep) struct copy_writer *writer = NULL;
	struct taking taking = {.worker = worker, .unpacker.user = &taking};
	int r = 0;

	if (dir < 0)
		return cor_fail_errno(err, errno, "'%.256s' in the container", worker->job->path);
	writer = copy_writer_new(dir, &how);
	taking.unpacker.sink = copy_writer_sink(writer);
	if (worker->mailbox.disk >= 0) {
		taking.unpacker.fetch = fetch;
		r = give_room(worker, MAILBOX_SLOTS, err);
	}
	r = r ?: take_all(worker, &taking.unpacker, err);
	r = r ?: copy_writer_end(writer, err);
	if (r < 0)
		return r;
	answer.entries = copy_writer_entries(writer);
	answer.bytes = copy_writer_bytes(writer);
	return send_packed(worker, &answer.base, err);
}

/* ---- the process ---- */

static int mount_volumes(const struct container *container, int root, struct cor_error *err)
{
	_free_ char *volumes = str_format("%s/volumes/", container->folder),
		    *shares = str_format("%s/shares/", container->folder);
	int r = 0;

	for (size_t i = 0; r == 0 && i < container->spec->mount_count; i++) {
		const struct oci_mount *m = &container->spec->mounts[i];

		if (m->source && (str_after(m->source, volumes) || str_after(m->source, shares)))
			r = mount_at(root, m->target, m->source, m->type, &m->options, err);
	}
	return r;
}

/* The root as the container's process would see it, as far as what is in it lasts: in name spaces of our own, which end with us. */
static int make_view(const struct container *container, int *root, struct cor_error *err)
{
	int r;

	if (!container)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return cor_fail_errno(err, errno, "a private mount name space");
	*root = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*root < 0)
		return cor_fail_errno(err, errno, "the root file system");
	r = mount_volumes(container, *root, err);
	if (r == 0 && container->spec->root_readonly &&
	    mount(NULL, container->root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		r = cor_fail_errno(err, errno, "make the root file system read-only");
	return r;
}

/* Whatever else init has open is none of its business. */
static int keep_only(struct worker *worker, int *root)
{
	int *kept[] = {&worker->in, &worker->out, &worker->links, &worker->mailbox.disk, root};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		/* Above all of them first, so that none is overwritten. */
		int fd = *kept[i] < 0 ? -1 : fcntl(*kept[i], F_DUPFD_CLOEXEC, 1000);

		if (fd < 0 && *kept[i] >= 0)
			return -errno;
		*kept[i] = fd;
	}
	return syscall(SYS_close_range, 3u, 999u, 0u) < 0 ? -errno : 0;
}

static int work(struct worker *worker, struct cor_error *err)
{
	int root = worker->job->root, r;

	if (worker->job->mailbox)
		mailbox_open(&worker->mailbox);
	r = make_view(worker->job->unmounted, &root, err);
	if (r < 0)
		return r;
	r = keep_only(worker, &root);
	if (r == 0 && (fchdir(root) < 0 || chroot(".") < 0))
		r = -errno;
	if (r < 0)
		return cor_fail_errno(err, r, "enter the container");
	close_fd(&root);
	umask(0);
	switch (worker->job->kind) {
	case TREE_STAT:
		return tell(worker, err);
	case TREE_SEND:
		return send_tree(worker, err);
	default:
		return receive_tree(worker, err);
	}
}

_Noreturn void tree_work(const struct tree_job *job, int in, int out)
{
	struct worker worker = {
		.job = job,
		.mailbox.disk = -1,
		.in = in,
		.out = out,
		.links = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	struct cor_error err = {0};
	int r = work(&worker, &err);

	/* Before the last word: whoever hears that may begin the next copy. */
	mailbox_close(&worker.mailbox);
	(void)write_frame(worker.out, r < 0 ? TREE_FAILURE : TREE_DONE,
			  &(struct iovec){.iov_base = &err, .iov_len = sizeof(err)}, r < 0 ? 1 : 0);
	_exit(0);
}
