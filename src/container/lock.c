/* SPDX-License-Identifier: Apache-2.0 */
/* The lock's file may be removed with its folder while somebody waits or opens; so who has locked it looks whether it is still the one that the path names. */
#include "container/lock.h"

#include "base/file.h"
#include "base/str.h"
#include "container/folders.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LOCK_TRIES  1000
#define LOCK_NAP_MS 2
#define MAINTENANCE " maintenance" /* in a lock */

static bool still_named(const struct roots *roots, const char *id, int fd)
{
	char path[CONTAINER_RUN_PATH_SIZE + sizeof("/lock")];
	struct stat held, named;

	container_run_path(id, path);
	strcat(path, "/lock");
	return fstat(fd, &held) == 0 && fstatat(roots->run_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static int lock_as(const struct roots *roots, const char *id, int operation, int *ret_fd,
		   struct cor_error *err)
{
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		_fd_ int dir = container_run_dir(roots, id);
		_fd_ int fd = -1;

		if (dir == -ENOENT)
			continue; /* removed between its making and its opening */
		if (dir < 0)
			return cor_fail_errno(err, dir, "container %.12s: run folder", id);
		fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT)
			continue; /* the folder was removed just now */
		if (fd < 0)
			return cor_fail_errno(err, errno, "container %.12s: lock", id);
		if (flock(fd, operation | LOCK_NB) < 0) {
			if (errno == EWOULDBLOCK && flock(fd, LOCK_SH | LOCK_NB) == 0) {
				/* Only somebody who looked, or who records a death. */
				close_fd(&fd);
				poll(NULL, 0, LOCK_NAP_MS);
				continue;
			}
			if (errno == EWOULDBLOCK)
				return cor_fail(err, COR_BUSY, EBUSY, "container %.12s is running", id);
			return cor_fail_errno(err, errno, "container %.12s: lock", id);
		}
		if (still_named(roots, id, fd)) {
			*ret_fd = steal_fd(&fd);
			return 0;
		}
	}
	return cor_fail(err, COR_BUSY, EBUSY, "container %.12s: others keep removing its lock", id);
}

int container_lock(const struct roots *roots, const char *id, int *ret_fd, struct cor_error *err)
{
	int r = lock_as(roots, id, LOCK_EX, ret_fd, err);

	/* Whose pid stood there is dead. */
	if (r == 0)
		(void)!ftruncate(*ret_fd, 0);
	return r;
}

void container_lock_sign(int lock_fd, bool maintenance)
{
	dprintf(lock_fd, "%d%s\n", (int)getpid(), maintenance ? MAINTENANCE : "");
}

static char *read_lock(const struct roots *roots, const char *id)
{
	_fd_ int dir = container_run_dir(roots, id);
	char *text = NULL;

	return dir < 0 || file_read(dir, "lock", 64, &text, NULL) < 0 ? xstrdup("") : text;
}

pid_t container_lock_pid(const struct roots *roots, const char *id)
{
	_free_ char *text = read_lock(roots, id);

	return (pid_t)MAX(strtol(text, NULL, 10), 0L);
}

bool container_lock_is_maintenance(const struct roots *roots, const char *id)
{
	_free_ char *text = NULL;

	if (container_is_locked(roots, id) != 1)
		return false;
	text = read_lock(roots, id);
	return strstr(text, MAINTENANCE) != NULL;
}

int container_lock_shared(const struct roots *roots, const char *id, int *ret_fd, struct cor_error *err)
{
	return lock_as(roots, id, LOCK_SH, ret_fd, err);
}

int container_is_locked(const struct roots *roots, const char *id)
{
	char path[CONTAINER_RUN_PATH_SIZE + sizeof("/lock")];
	_fd_ int fd = -1;

	if (!id_valid(id))
		return -EINVAL;
	container_run_path(id, path);
	strcat(path, "/lock");
	fd = open_beneath(roots->run_fd, path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* A shared lock: two who look at once do not take each other for a shim. */
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : -errno;
	return 0;
}
