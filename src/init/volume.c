/* SPDX-License-Identifier: Apache-2.0 */
/* A fork does the work, because to mount may mean to replay a journal, and to copy takes long; init goes on meanwhile. It ends by saying how it went: a struct
 * cor_error through a pipe, of which the status is COR_OK if it went well.
 *
 * A file system that an earlier guest wrote is no more to be trusted than this guest's own root; that the kernel here reads it is what the machine around it is for. */
#include "init/volume.h"

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "init/clone.h"
#include "init/early.h"
#include "init/mount.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DATA        "data"
#define NEW         "new"
#define FILES_LIMIT 4096u

/* What the fork is to do. All is borrowed. */
struct job {
	const Coracle__Agent__V1__PrepareVolumeRequest *request;
	const char *root;  /* of the container */
	const char *place; /* where the volume is to be bound from */
	bool read_only;
};

/* ---- the fork: what the volume holds ---- */

static bool is_empty(int dir)
{
	_dir_ DIR *stream = dir_list(dir, ".");

	return stream && !dir_next(stream);
}

/* What the image has there, or -1. */
static int open_source(const struct job *job)
{
	_fd_ int root = -1;

	if (str_empty(job->request->copy_from))
		return -1;
	root = open(job->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : open_in_root(root, job->request->copy_from, O_RDONLY | O_DIRECTORY, 0);
}

/* Makes "new" and lets it take the place of "data", which is empty or not there. */
static int fill(int disk, int from, struct cor_error *err)
{
	_fd_ int made = -1;
	int r = tree_remove(disk, NEW);

	if (r == 0 && mkdirat(disk, NEW, 0755) < 0)
		r = -errno;
	made = r < 0 ? -1 : openat(disk, NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (made < 0)
		return cor_fail_errno(err, r ?: errno, "a folder for its content");
	r = from < 0 ? 0 : clone_tree(from, made, err);
	if (r < 0) {
		(void)tree_remove(disk, NEW);
		return r;
	}
	/* First what it holds, then its name. */
	if (syncfs(disk) < 0 || renameat(disk, NEW, disk, DATA) < 0)
		return cor_fail_errno(err, errno, "its content");
	return 0;
}

static int open_data(int disk, const struct job *job, int *ret, struct cor_error *err)
{
	_fd_ int data = open_beneath(disk, DATA, O_RDONLY | O_DIRECTORY, 0);
	_fd_ int from = job->read_only || (data >= 0 && !is_empty(data)) ? -1 : open_source(job);
	int r = 0;

	if (data < 0 && data != -ENOENT)
		return cor_fail(err, COR_CORRUPT, -data, "its folder '" DATA "': %s", strerror(-data));
	if (!job->read_only && (data < 0 || from >= 0)) {
		r = fill(disk, from, err);
		close_fd(&data);
		data = r < 0 ? r : open_beneath(disk, DATA, O_RDONLY | O_DIRECTORY, 0);
	}
	if (r < 0)
		return r;
	*ret = data < 0 ? -1 : steal_fd(&data);
	return 0;
}

/* ---- the fork: where it is seen ---- */

/* One that nobody has written to yet cannot be filled by who only reads: it is seen as it would be filled. */
static int bind_unused(const struct job *job, struct cor_error *err)
{
	_fd_ int from = open_source(job);
	_free_ char *path = str_format("/proc/self/fd/%d", from);

	if (from < 0)
		return mount("none", job->place, "tmpfs", MS_RDONLY, "size=4k") < 0
			       ? cor_fail_errno(err, errno, "an empty folder")
			       : 0;
	if (mount(path, job->place, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, job->place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return cor_fail_errno(err, errno, "what the image has there");
	return 0;
}

static int bind_data(const char *disk_path, const struct job *job, struct cor_error *err)
{
	_fd_ int disk = open(disk_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), data = -1;
	_free_ char *path = NULL;
	int r = disk < 0 ? cor_fail_errno(err, errno, "its file system") : open_data(disk, job, &data, err);

	if (r < 0)
		return r;
	if (data < 0)
		return bind_unused(job, err);
	path = str_format("/proc/self/fd/%d", data);
	return mount(path, job->place, NULL, MS_BIND, NULL) < 0 ? cor_fail_errno(err, errno, "bind it") : 0;
}

/* What a kernel says of a file system that is none, or no good one. */
static bool is_damage(int errnum)
{
	return errnum == EUCLEAN || errnum == EINVAL || errnum == EIO || errnum == EBADMSG ||
	       errnum == EOVERFLOW || errnum == EFBIG;
}

static int mount_disk(const struct job *job, const char *path, struct cor_error *err)
{
	const Coracle__Agent__V1__Filesystem *what = job->request->filesystem;
	struct strv options = {.items = what->options, .count = what->n_options}; /* borrowed */
	_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cor_error one = {0};
	int r = mount_at(root, path, what->source, what->type, &options, &one);

	if (r == 0)
		return 0;
	if (is_damage(one.err))
		return cor_fail(err, COR_CORRUPT, one.err,
				"it is damaged: its file system cannot be mounted: %s", strerror(one.err));
	return cor_fail(err, one.status, one.err, "%s", one.msg);
}

static int prepare(const struct job *job, struct cor_error *err)
{
	_free_ char *disk = str_format("%s.disk", job->place);
	struct rlimit limit = {FILES_LIMIT, FILES_LIMIT};
	int r;

	umask(0);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (mkdir(job->place, 0755) < 0 || mkdir(disk, 0700) < 0)
		return cor_fail_errno(err, errno, "a place for it");
	r = mount_disk(job, disk, err);
	if (r == 0) {
		r = bind_data(disk, job, err);
		/* What is bound keeps the file system. */
		umount2(disk, UMOUNT_NOFOLLOW);
	}
	rmdir(disk);
	return r;
}

_Noreturn static void work(const struct job *job, int out)
{
	struct cor_error err = {0}, whole = {0};

	if (prepare(job, &err) < 0)
		cor_fail(&whole, err.status, err.err, "volume '%.64s': %s", job->request->label, err.msg);
	(void)fd_write_all(out, &whole, sizeof(whole));
	_exit(0);
}

/* ---- init ---- */

/* One that is under way. */
struct preparation {
	uv_poll_t poll;
	struct rpc_call *call; /* NULL: its client has gone */
	int fd;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_result(uv_poll_t *poll, int status, int events)
{
	struct preparation *preparation = poll->data;
	struct rpc_call *call = preparation->call;
	struct cor_error result;

	if (fd_read_all(preparation->fd, &result, sizeof(result)) < 0)
		cor_fail(&result, COR_INTERNAL, EIO,
			 "who was to prepare the volume was killed: the machine may have too little memory");
	if (call) {
		rpc_call_listen(call, &(struct rpc_call_events){0}, NULL);
		if (result.status == COR_OK)
			guest_reply_empty(call);
		else
			rpc_call_finish(call, &result);
	}
	uv_poll_stop(poll);
	close_fd(&preparation->fd);
	uv_close((uv_handle_t *)poll, on_closed);
}

static void on_call_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	((struct preparation *)user)->call = NULL;
}

static int begin(struct container *container, const struct job *job, struct rpc_call *call,
		 struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_call_end};
	struct preparation *preparation;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "pipe");
	pid = fork();
	if (pid == 0)
		work(job, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return cor_fail_errno(err, errno, "fork");
	}
	preparation = xcalloc(1, sizeof(*preparation));
	preparation->call = call;
	preparation->fd = fds[0];
	rpc_call_listen(call, &events, preparation);
	uv_poll_init(container->guest->loop, &preparation->poll, fds[0]);
	preparation->poll.data = preparation;
	uv_poll_start(&preparation->poll, UV_READABLE, on_result);
	return 0;
}

static bool is_read_only(const Coracle__Agent__V1__Filesystem *what)
{
	for (size_t i = 0; i < what->n_options; i++)
		if (strcmp(what->options[i], "ro") == 0)
			return true;
	return false;
}

int volume_prepare(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		   struct cor_error *err)
{
	const Coracle__Agent__V1__PrepareVolumeRequest *request = (const void *)message;
	struct container *container = container_find(service, request->container_id, err);
	_free_ char *folder = NULL, *place = NULL;
	struct job job = {.request = request};

	if (!container)
		return -ENOENT;
	if (!guest_id_valid(request->name) || !request->filesystem)
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no name, or there is no file system",
				request->name);
	if (container->processes)
		return cor_fail(err, COR_BUSY, EBUSY, "container '%s' has processes already", container->id);
	folder = str_format("%s/volumes", container->folder);
	place = str_format("%s/%s", folder, request->name);
	if (strv_contains(&container->volumes, place))
		return cor_fail(err, COR_EXISTS, EEXIST, "volume '%.64s' is there already", request->name);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return cor_fail_errno(err, errno, "%s", folder);
	strv_add(&container->volumes, place);
	job.root = container->root;
	job.place = place;
	job.read_only = is_read_only(request->filesystem);
	return begin(container, &job, call, err);
}

void volumes_unmount(struct container *container)
{
	_free_ char *folder = str_format("%s/volumes", container->folder);
	const char *place;

	strv_foreach (&container->volumes, i, place) {
		if (umount2(place, UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT &&
		    umount2(place, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			log_error("unmount %s: %s", place, strerror(errno));
		rmdir(place);
	}
	rmdir(folder);
	strv_release(&container->volumes);
}
