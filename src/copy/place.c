/* SPDX-License-Identifier: Apache-2.0 */
/* An entry's parent is opened by its path and kept for the entries after it. */
#include "copy/place.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

void copy_place_init(struct copy_place *place, int dir, bool hostile)
{
	*place = (struct copy_place){.dir = dir, .hostile = hostile, .parent = -1};
}

void copy_place_release(struct copy_place *place)
{
	close_fd(&place->parent);
	free(place->parent_path);
}

int copy_place_fail(int error, const char *path, struct cor_error *err)
{
	return cor_fail_errno(err, error, "write '%.256s'", *path ? path : ".");
}

int copy_place_open(const struct copy_place *place, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = place->hostile ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do
		fd = (int)syscall(SYS_openat2, place->dir, *path ? path : ".", &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : fd;
}

const char *copy_path_last(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int make_parents(const struct copy_place *place, const char *path)
{
	for (const char *p = path, *slash; p; p = slash ? slash + 1 : NULL) {
		_free_ char *above = xstrndup(path, p > path ? (size_t)(p - path) - 1 : 0), *name = NULL;
		_fd_ int fd = copy_place_open(place, above, O_PATH | O_DIRECTORY);

		slash = strchr(p, '/');
		name = xstrndup(p, slash ? (size_t)(slash - p) : strlen(p));
		if (fd < 0)
			return fd;
		if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return copy_place_open(place, path, O_PATH | O_DIRECTORY);
}

int copy_place_parent(struct copy_place *place, const char *path, struct cor_error *err)
{
	const char *last = copy_path_last(path);
	size_t size = last > path ? (size_t)(last - path) - 1 : 0;
	int fd;

	if (place->parent >= 0 && strlen(place->parent_path) == size &&
	    strncmp(place->parent_path, path, size) == 0)
		return place->parent;
	close_fd(&place->parent);
	free(place->parent_path);
	place->parent_path = xstrndup(path, size);
	fd = copy_place_open(place, place->parent_path, O_PATH | O_DIRECTORY);
	if (fd == -ENOENT)
		fd = make_parents(place, place->parent_path);
	if (fd == -ELOOP || fd == -EXDEV)
		return cor_fail(err, COR_CORRUPT, ELOOP,
				"'%.256s' would be written through a symbolic link: nothing is", path);
	if (fd < 0)
		return copy_place_fail(fd, path, err);
	place->parent = fd;
	return fd;
}

int copy_place_clear(int parent, const char *path, struct cor_error *err)
{
	struct stat st;

	if (fstatat(parent, copy_path_last(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : copy_place_fail(errno, path, err);
	if (S_ISDIR(st.st_mode))
		return cor_fail(err, COR_BUSY, EISDIR,
				"'%.256s' is a directory, and what would replace it is none", path);
	return unlinkat(parent, copy_path_last(path), 0) < 0 && errno != ENOENT
		       ? copy_place_fail(errno, path, err)
		       : 0;
}
