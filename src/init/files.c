/* SPDX-License-Identifier: Apache-2.0 */
/* Files are found as the container sees them, its own mounts included: through the root of its first process while that lives. The container
 * may be hostile, so that a path is resolved beneath that root, and opened for reading only after it proved to be a regular file: a fifo or
 * a device would stop init. */
#include "init/files.h"

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "init/early.h"
#include "init/mount.h"
#include "init/process.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>

#define CHUNK      ((size_t)128 << 10)
#define FILES_ROOT "/run" /* where no container is named */
#define TEMPORARY  ".coracle-%016" PRIx64

/* ---- mounts ---- */

bool files_target_valid(const char *path)
{
	const char *rest = str_after(path, GUEST_RUN "/");
	_strv_ struct strv parts = {0};

	if (str_empty(rest) || strlen(path) >= PATH_MAX)
		return false;
	parts = strv_split(rest, '/');
	return !strv_contains(&parts, "..") && !strv_contains(&parts, ".") && !strv_contains(&parts, "");
}

static int check_target(const char *path, struct cor_error *err)
{
	return files_target_valid(path)
		       ? 0
		       : cor_fail(err, COR_INVALID, EINVAL, "'%.128s' is no path below %s", path, GUEST_RUN);
}

int files_mount(void *service, struct rpc_call *call, const ProtobufCMessage *message, struct cor_error *err)
{
	const Coracle__Agent__V1__MountRequest *request = (const void *)message;
	const Coracle__Agent__V1__Filesystem *what = request->filesystem;
	_fd_ int root = -1;
	struct strv options;
	int r = check_target(request->target, err);

	if (r < 0)
		return r;
	if (!what || str_empty(what->source))
		return cor_fail(err, COR_INVALID, EINVAL, "mount %.128s: no source is given",
				request->target);
	early_root_take(service, NULL, NULL);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	options = (struct strv){.items = what->options, .count = what->n_options};
	r = mount_at(root, request->target, what->source, what->type, &options, err);
	if (r == 0)
		guest_reply_empty(call);
	return r;
}

int files_unmount(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		  struct cor_error *err)
{
	const Coracle__Agent__V1__UnmountRequest *request = (const void *)message;
	int r = check_target(request->target, err);

	if (r < 0)
		return r;
	if (umount2(request->target, UMOUNT_NOFOLLOW) < 0) {
		r = errno;
		if (r == EINVAL || r == ENOENT)
			return cor_fail(err, COR_NOT_FOUND, r, "nothing is mounted at %.128s",
					request->target);
		return cor_fail_errno(err, r, "unmount %.128s", request->target);
	}
	guest_reply_empty(call);
	return 0;
}

/* ---- where files are ---- */

static bool has_process(const struct container *container)
{
	return container->first && process_alive(container->first) &&
	       container->first->state != PROCESS_MAKING;
}

int files_open_root(struct guest *guest, const char *container_id, bool disk, struct cor_error *err)
{
	struct container *container;
	_free_ char *path = NULL;
	int fd = -1;

	if (str_empty(container_id)) {
		fd = open(FILES_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? cor_fail_errno(err, errno, FILES_ROOT) : fd;
	}
	container = container_find(guest, container_id, err);
	if (!container)
		return -ENOENT;
	if (!disk && has_process(container))
		path = str_format("/proc/%d/root", container->first->pid);
	if (path)
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cor_fail_errno(err, errno, "the root of container '%s'", container->id) : fd;
}

const struct container *files_unmounted(struct guest *guest, const char *container_id)
{
	const struct container *container = container_find(guest, container_id, NULL);

	return container && !has_process(container) ? container : NULL;
}

/* ---- reading ---- */

struct reading {
	struct rpc_call *call;
	int fd;
	uint64_t left;
};

static void read_on(struct reading *reading)
{
	while (rpc_call_queued(reading->call) <= RPC_HIGH_WATER) {
		Coracle__Agent__V1__FileChunk chunk = CORACLE__AGENT__V1__FILE_CHUNK__INIT;
		uint8_t data[CHUNK];
		ssize_t n = read(reading->fd, data, MIN((uint64_t)sizeof(data), reading->left));
		struct cor_error err;

		if (n <= 0) {
			if (n < 0)
				cor_fail_errno(&err, errno, "read");
			rpc_call_finish(reading->call, n < 0 ? &err : NULL);
			return;
		}
		reading->left -= (uint64_t)n;
		chunk.data = (ProtobufCBinaryData){.len = (size_t)n, .data = data};
		rpc_call_send_message(reading->call, &chunk.base);
	}
}

static void on_read_writable(struct rpc_call *call, void *user)
{
	read_on(user);
}

static void on_read_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct reading *reading = user;

	close_fd(&reading->fd);
	free(reading);
}

/* Opens a regular file and nothing else. */
static int open_regular(int root, const char *path, struct cor_error *err)
{
	_fd_ int found = open_in_root(root, path, O_PATH, 0);
	_free_ char *again = str_format("/proc/self/fd/%d", found);
	struct stat st;
	int fd;

	if (found < 0)
		return cor_fail_errno(err, found, "%.256s", path);
	if (fstat(found, &st) < 0 || !S_ISREG(st.st_mode))
		return cor_fail(err, COR_INVALID, EINVAL, "%.256s is no regular file", path);
	fd = open(again, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? cor_fail_errno(err, errno, "%.256s", path) : fd;
}

int files_read(void *service, struct rpc_call *call, const ProtobufCMessage *message, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_writable = on_read_writable, .on_end = on_read_end};
	const Coracle__Agent__V1__ReadFileRequest *request = (const void *)message;
	_fd_ int root = files_open_root(service, request->container_id, false, err);
	struct reading *reading;
	int fd;

	if (root < 0)
		return root;
	fd = open_regular(root, request->path, err);
	if (fd < 0)
		return fd;
	reading = xcalloc(1, sizeof(*reading));
	*reading = (struct reading){.call = call, .fd = fd, .left = request->limit ?: UINT64_MAX};
	rpc_call_listen(call, &events, reading);
	read_on(reading);
	return 0;
}

/* ---- writing ---- */

struct writing {
	struct guest *guest;
	struct rpc_call *call;
	int folder, fd; /* of the file; -1 before `open` */
	char *name;
	char temporary[40];
	uint64_t size;
	uint32_t mode, uid, gid;
};

static void give_up(struct writing *writing, const struct cor_error *err)
{
	if (writing->fd >= 0)
		unlinkat(writing->folder, writing->temporary, 0);
	close_fd(&writing->fd);
	rpc_call_finish(writing->call, err);
}

static int open_writing(struct writing *writing, const Coracle__Agent__V1__WriteFileOpen *request,
			struct cor_error *err)
{
	_fd_ int root = files_open_root(writing->guest, request->container_id, false, err);
	const char *slash = strrchr(request->path, '/');
	const char *name = slash ? slash + 1 : request->path;
	_free_ char *above = slash ? xstrndup(request->path, (size_t)(slash - request->path)) : NULL;
	uint64_t number;

	if (root < 0)
		return root;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return cor_fail(err, COR_INVALID, EINVAL, "'%.256s' is no name of a file", request->path);
	writing->folder = open_in_root(root, str_empty(above) ? "/" : above, O_PATH | O_DIRECTORY, 0);
	if (writing->folder < 0)
		return cor_fail_errno(err, writing->folder, "%.256s", request->path);
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return cor_fail_errno(err, errno, "a temporary name");
	snprintf(writing->temporary, sizeof(writing->temporary), TEMPORARY, number);
	writing->fd = openat(writing->folder, writing->temporary,
			     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (writing->fd < 0)
		return cor_fail_errno(err, errno, "%.256s", request->path);
	writing->name = xstrdup(name);
	writing->mode = request->mode & 07777;
	writing->uid = request->uid;
	writing->gid = request->gid;
	return 0;
}

static int take_write(struct writing *writing, const Coracle__Agent__V1__WriteFileRequest *request,
		      struct cor_error *err)
{
	int r;

	if (request->kind_case == CORACLE__AGENT__V1__WRITE_FILE_REQUEST__KIND_OPEN && writing->fd < 0)
		return open_writing(writing, request->open, err);
	if (request->kind_case != CORACLE__AGENT__V1__WRITE_FILE_REQUEST__KIND_DATA || writing->fd < 0)
		return cor_fail(err, COR_INVALID, EPROTO, "WriteFile takes one `open`, then `data`");
	r = fd_write_all(writing->fd, request->data.data, request->data.len);
	if (r < 0)
		return cor_fail_errno(err, r, "write '%.128s'", writing->name);
	writing->size += request->data.len;
	return 0;
}

static void on_write_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct writing *writing = user;
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__write_file_request__descriptor, data, size, &err);

	if (!message || take_write(writing, (const void *)message, &err) < 0)
		give_up(writing, &err);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

static int complete(struct writing *writing, struct cor_error *err)
{
	if (writing->fd < 0)
		return cor_fail(err, COR_INVALID, EPROTO, "WriteFile without `open`");
	/* The owner first: changing it takes set-user-id bits away. */
	if (fchown(writing->fd, writing->uid, writing->gid) < 0 || fchmod(writing->fd, writing->mode) < 0 ||
	    fsync(writing->fd) < 0 ||
	    renameat(writing->folder, writing->temporary, writing->folder, writing->name) < 0)
		return cor_fail_errno(err, errno, "write '%.128s'", writing->name);
	close_fd(&writing->fd);
	return 0;
}

static void on_write_half_close(struct rpc_call *call, void *user)
{
	Coracle__Agent__V1__WriteFileResponse response = CORACLE__AGENT__V1__WRITE_FILE_RESPONSE__INIT;
	struct writing *writing = user;
	struct cor_error err;

	if (complete(writing, &err) < 0) {
		give_up(writing, &err);
		return;
	}
	response.size = writing->size;
	rpc_call_reply(call, &response.base);
}

static void on_write_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct writing *writing = user;

	if (writing->fd >= 0)
		unlinkat(writing->folder, writing->temporary, 0);
	close_fd(&writing->fd);
	close_fd(&writing->folder);
	free(writing->name);
	free(writing);
}

int files_write(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {
		.on_message = on_write_message,
		.on_half_close = on_write_half_close,
		.on_end = on_write_end,
	};
	struct writing *writing = xcalloc(1, sizeof(*writing));

	*writing = (struct writing){.guest = service, .call = call, .folder = -1, .fd = -1};
	rpc_call_listen(call, &events, writing);
	return 0;
}
