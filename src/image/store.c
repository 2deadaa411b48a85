/* SPDX-License-Identifier: Apache-2.0 */
/* The store as folders and locks. What is in blobs/ and rootfs/ is complete: it was written in tmp/, synced, and renamed. So a crash leaves at worst
 * something in tmp/, and a blob that no index names; both go with the next removal of an image. */
#include "image/store.h"

#include "base/str.h"
#include "oci/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}\n"

static int absolute_path(int fd, char **ret)
{
	_free_ char *link = str_format("/proc/self/fd/%d", fd);
	char path[4096];
	ssize_t n = readlink(link, path, sizeof(path));

	if (n < 0 || (size_t)n == sizeof(path))
		return n < 0 ? -errno : -ENAMETOOLONG;
	*ret = xstrndup(path, (size_t)n);
	return 0;
}

static int write_layout(int dir)
{
	if (faccessat(dir, "oci-layout", F_OK, 0) == 0)
		return 0;
	return file_write_atomic(dir, "oci-layout", LAYOUT, strlen(LAYOUT), 0600);
}

int image_store_open(int data_fd, struct image_store **ret, struct cor_error *err)
{
	_cleanup_(image_store_freep) struct image_store *store = xcalloc(1, sizeof(*store));
	int r;

	store->dir = store->blobs = store->rootfs = store->tmp = store->partial = -1;
	r = dir_open_make(data_fd, "images", 0700, &store->dir);
	r = r ?: dir_open_make(store->dir, "blobs/sha256", 0700, &store->blobs);
	r = r ?: dir_open_make(store->dir, "rootfs", 0700, &store->rootfs);
	r = r ?: dir_open_make(store->dir, "tmp", 0700, &store->tmp);
	r = r ?: dir_open_make(store->dir, "partial", 0700, &store->partial);
	r = r ?: absolute_path(store->dir, &store->path);
	r = r ?: write_layout(store->dir);
	if (r < 0)
		return cor_fail_errno(err, r, "open the image store '%s'",
				      store->path ? store->path : "images");
	*ret = steal_ptr(store);
	return 0;
}

void image_store_free(struct image_store *store)
{
	if (!store)
		return;
	close_fd(&store->dir);
	close_fd(&store->blobs);
	close_fd(&store->rootfs);
	close_fd(&store->tmp);
	close_fd(&store->partial);
	free(store->path);
	free(store);
}

/* ---- locks ---- */

static int lock(int fd, int operation)
{
	while (flock(fd, operation) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int store_lock(const struct image_store *store, int operation, int *ret_fd, struct cor_error *err)
{
	_fd_ int fd = openat(store->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : lock(fd, operation);

	if (r < 0)
		return cor_fail_errno(err, r, "lock the image store '%s'", store->path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

bool store_is_named(int dir, const char *name, int fd)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

/* 1 if it is locked, 0 if it would have to wait and may not. */
static int lock_named(const struct image_store *store, const char *name, int operation, int *ret_fd,
		      struct cor_error *err)
{
	for (;;) {
		_fd_ int fd = openat(store->tmp, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		int r = fd < 0 ? -errno : lock(fd, operation);

		if (r == -EWOULDBLOCK)
			return 0;
		if (r < 0)
			return cor_fail_errno(err, r, "lock '%s/tmp/%s'", store->path, name);
		if (store_is_named(store->tmp, name, fd)) {
			*ret_fd = steal_fd(&fd);
			return 1;
		}
	}
}

int store_lock_named(const struct image_store *store, const char *name, int *ret_fd, struct cor_error *err)
{
	int r = lock_named(store, name, LOCK_EX, ret_fd, err);

	return r < 0 ? r : 0;
}

int store_try_lock_named(const struct image_store *store, const char *name, int *ret_fd,
			 struct cor_error *err)
{
	return lock_named(store, name, LOCK_EX | LOCK_NB, ret_fd, err);
}

void store_unlock_named(const struct image_store *store, const char *name, int *fd)
{
	if (*fd < 0)
		return;
	unlinkat(store->tmp, name, 0);
	close_fd(fd);
}

/* ---- workspaces ---- */

static int try_workspace(const struct image_store *store, struct workspace *w)
{
	uint64_t salt;

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		return -EIO;
	snprintf(w->name, sizeof(w->name), "work-%016" PRIx64, salt);
	if (mkdirat(store->tmp, w->name, 0700) < 0)
		return -errno;
	w->fd = openat(store->tmp, w->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (w->fd < 0)
		return -errno;
	return lock(w->fd, LOCK_EX);
}

int workspace_open(const struct image_store *store, struct workspace *ret, struct cor_error *err)
{
	for (;;) {
		struct workspace w = {.store = store, .fd = -1};
		int r = try_workspace(store, &w);

		/* Between making and locking it a sweep may have taken it away. */
		if (r == 0 && store_is_named(store->tmp, w.name, w.fd)) {
			*ret = w;
			return 0;
		}
		close_fd(&w.fd);
		if (r < 0 && r != -ENOENT && r != -EEXIST)
			return cor_fail_errno(err, r, "write into '%s/tmp'", store->path);
	}
}

void workspace_release(struct workspace *workspace)
{
	if (!workspace->store)
		return;
	tree_remove(workspace->store->tmp, workspace->name);
	close_fd(&workspace->fd);
	workspace->store = NULL;
}

uint64_t store_remove_file(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || unlinkat(dir, name, 0) < 0)
		return 0;
	return st.st_nlink == 1 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* Files in a workspace are links to what the store has, or ours alone. */
static uint64_t empty_folder(int dir)
{
	_dir_ DIR *d = dir_list(dir, ".");
	const struct dirent *entry;
	uint64_t freed = 0;

	while ((entry = dir_next(d)))
		freed += store_remove_file(dir, entry->d_name);
	return freed;
}

static uint64_t sweep_one(const struct image_store *store, const char *name)
{
	_fd_ int fd = openat(store->tmp, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t freed;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || !store_is_named(store->tmp, name, fd))
		return 0;
	freed = empty_folder(fd);
	tree_remove(store->tmp, name);
	return freed;
}

uint64_t store_sweep_tmp(const struct image_store *store)
{
	_dir_ DIR *d = dir_list(store->tmp, ".");
	const struct dirent *entry;
	uint64_t freed = 0;

	while ((entry = dir_next(d)))
		freed += sweep_one(store, entry->d_name);
	return freed;
}

/* ---- blobs ---- */

bool store_has_blob(const struct image_store *store, const char *digest, uint64_t size)
{
	struct stat st;

	return fstatat(store->blobs, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

int store_open_blob(const struct image_store *store, const char *digest, uint64_t size, int *ret_fd,
		    struct cor_error *err)
{
	_fd_ int fd = openat(store->blobs, digest_hex(digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the image store lacks %s: remove the image and load it again", digest);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cor_fail_errno(err, errno, "read %s from the image store", digest);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"%s in the image store has not the size that it should have: remove the "
				"image and load it again",
				digest);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int store_read_json(const struct image_store *store, const char *digest, size_t max, json_t **ret,
		    struct cor_error *err)
{
	_free_ char *text = NULL;
	char found[DIGEST_SIZE];
	size_t size;
	int r = file_read(store->blobs, digest_hex(digest), max, &text, &size);

	if (r == -ENOENT)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the image store lacks %s: remove the image and load it again", digest);
	if (r < 0)
		return cor_fail_errno(err, r, "read %s from the image store", digest);
	hash_bytes(text, size, found);
	if (strcmp(found, digest) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"%s in the image store is damaged: remove the image and load it again",
				digest);
	return json_parse_object(text, size, digest, ret, err);
}

int store_publish_blob(const struct image_store *store, int dir, const char *file, const char *digest,
		       uint64_t size, struct cor_error *err)
{
	_fd_ int fd = -1;
	struct stat st;

	if (fstatat(store->blobs, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size == size)
		return 0;
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fdatasync(fd) < 0 || renameat(dir, file, store->blobs, digest_hex(digest)) < 0)
		return cor_fail_errno(err, errno, "put %s into the image store", digest);
	return 0;
}

int store_sync_folder(int dir, struct cor_error *err)
{
	/* Some file systems cannot sync folders, and need not. */
	if (fsync(dir) < 0 && errno != EINVAL)
		return cor_fail_errno(err, errno, "sync the image store");
	return 0;
}
