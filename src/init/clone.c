/* SPDX-License-Identifier: Apache-2.0 */
/* By descriptors and names of one part, so that no path is ever too long and no link is passed. How deep a tree goes is bounded by descriptors: two are open for each
 * level. */
#include "init/clone.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define DEPTH_MAX  400u
#define XATTRS_MAX 65536u /* the kernel's own limits */
#define PIECE      ((size_t)1 << 24)

/* A file with several names, by the first that was copied. */
struct twin {
	dev_t device;
	ino_t inode;
	char *path;
};

struct clone {
	int top;
	struct twin *twins;
	size_t twin_count;
};

static int clone_directory(struct clone *clone, int from, int to, const char *path, unsigned depth);

/* ---- attributes ---- */

static int copy_xattr(int from, int to, const char *name)
{
	ssize_t size = fgetxattr(from, name, NULL, 0);
	_free_ void *value = NULL;

	if (size < 0 || size > (ssize_t)XATTRS_MAX)
		return size < 0 && errno != ENODATA ? -errno : 0;
	value = xmalloc((size_t)size + 1);
	size = fgetxattr(from, name, value, (size_t)size);
	if (size < 0)
		return -errno;
	/* What the other file system has no place for is left out. */
	return fsetxattr(to, name, value, (size_t)size, 0) < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

static int copy_xattrs(int from, int to)
{
	ssize_t size = flistxattr(from, NULL, 0);
	_free_ char *names = NULL;
	int r = 0;

	if (size <= 0 || size > (ssize_t)XATTRS_MAX)
		return 0;
	names = xmalloc((size_t)size + 1);
	size = flistxattr(from, names, (size_t)size);
	if (size < 0)
		return -errno;
	names[size] = '\0';
	for (const char *name = names; r == 0 && name < names + size; name += strlen(name) + 1)
		r = copy_xattr(from, to, name);
	return r;
}

/* The mode after the owner, whose change takes set-user-id bits away; capabilities too. */
static int copy_attributes(int from, int to, const struct stat *st)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	int r = fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0 ? -errno : 0;

	r = r ?: copy_xattrs(from, to);
	if (r == 0 && futimens(to, times) < 0)
		r = -errno;
	return r;
}

static int copy_attributes_at(int to, const char *name, const struct stat *st)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0) ||
	    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* ---- contents ---- */

static int copy_piece(int from, int to, off_t at, off_t end)
{
	if (lseek(to, at, SEEK_SET) < 0)
		return -errno;
	while (at < end) {
		ssize_t n = sendfile(to, from, &at, MIN(PIECE, (size_t)(end - at)));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0; /* it became shorter */
	}
	return 0;
}

static int copy_content(int from, int to, off_t size)
{
	off_t at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;

		if (data < 0)
			break; /* ENXIO: holes alone from here on */
		hole = lseek(from, data, SEEK_HOLE);
		at = hole < 0 ? size : hole;
		r = copy_piece(from, to, data, at);
	}
	if (r == 0 && ftruncate(to, size) < 0)
		r = -errno;
	return r;
}

static int clone_file(int from, int to, const char *name, const struct stat *st)
{
	_fd_ int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_fd_ int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (out < 0)
		return -errno;
	r = copy_content(in, out, st->st_size);
	return r ?: copy_attributes(in, out, st);
}

static int clone_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : copy_attributes_at(to, name, st);
}

static int clone_folder(struct clone *clone, int from, int to, const char *name, const char *path,
			unsigned depth)
{
	_fd_ int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), out = -1;

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return out < 0 ? -errno : clone_directory(clone, in, out, path, depth + 1);
}

/* ---- files with several names ---- */

static const char *find_twin(struct clone *clone, const struct stat *st, const char *path)
{
	for (size_t i = 0; i < clone->twin_count; i++)
		if (clone->twins[i].device == st->st_dev && clone->twins[i].inode == st->st_ino)
			return clone->twins[i].path;
	if ((clone->twin_count & (clone->twin_count - 1)) == 0)
		clone->twins = xreallocarray(clone->twins, clone->twin_count ? clone->twin_count * 2 : 1,
					     sizeof(*clone->twins));
	clone->twins[clone->twin_count++] =
		(struct twin){.device = st->st_dev, .inode = st->st_ino, .path = xstrdup(path)};
	return NULL;
}

/* ---- the walk ---- */

static int clone_entry(struct clone *clone, int from, int to, const char *above, const char *name,
		       unsigned depth)
{
	_free_ char *path = *above ? str_format("%s/%s", above, name) : xstrdup(name);
	const char *twin = NULL;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return clone_folder(clone, from, to, name, path, depth);
	if (st.st_nlink > 1)
		twin = find_twin(clone, &st, path);
	if (twin)
		return linkat(clone->top, twin, to, name, 0) < 0 ? -errno : 0;
	if (S_ISREG(st.st_mode))
		return clone_file(from, to, name, &st);
	if (S_ISLNK(st.st_mode))
		return clone_link(from, to, name, &st);
	return mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : copy_attributes_at(to, name, &st);
}

static int clone_directory(struct clone *clone, int from, int to, const char *path, unsigned depth)
{
	_dir_ DIR *stream = dir_list(from, ".");
	const struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!stream)
		return -errno;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	while (r == 0 && (entry = dir_next(stream)))
		r = clone_entry(clone, from, to, path, entry->d_name, depth);
	if (r == 0 && fstat(from, &st) < 0)
		r = -errno;
	return r ?: copy_attributes(from, to, &st);
}

int clone_tree(int from, int to, struct cor_error *err)
{
	struct clone clone = {.top = to};
	int r = clone_directory(&clone, from, to, "", 0);

	for (size_t i = 0; i < clone.twin_count; i++)
		free(clone.twins[i].path);
	free(clone.twins);
	return r < 0 ? cor_fail_errno(err, r, "copy what the image has there") : 0;
}
