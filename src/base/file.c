/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-file operations. Replacing a file goes through a temporary name in the same folder and fsync, because a crash must leave
 * the old content or the new. */
#include "base/file.h"

#include "base/str.h"

#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int fd_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int fd_read_all(int fd, void *data, size_t size)
{
	char *p = data;

	while (size) {
		ssize_t n = read(fd, p, size);

		if (n == 0)
			return -ENODATA;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int fd_set_nonblocking(int fd, bool nonblocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int file_read(int dir, const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	_fd_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_free_ char *data = NULL;
	size_t size = 0, capacity = 4096;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && (uint64_t)st.st_size > max)
		return -EFBIG;
	if (st.st_size > 0)
		capacity = (size_t)st.st_size + 1;
	/* The size that stat tells is a hint: files in /proc have none, and others may grow. */
	for (data = xmalloc(capacity + 1);;) {
		ssize_t n = read(fd, data + size, capacity - size);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > max)
			return -EFBIG;
		if (size == capacity) {
			capacity *= 2;
			data = xreallocarray(data, capacity + 1, 1);
		}
	}
	data[size] = '\0';
	*ret_data = steal_ptr(data);
	if (ret_size)
		*ret_size = size;
	return 0;
}

static int write_new(int dir, const char *path, const void *data, size_t size, mode_t mode, bool sync)
{
	_fd_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, size);
	if (r < 0)
		return r;
	return sync && fdatasync(fd) < 0 ? -errno : 0;
}

int file_write_new(int dir, const char *path, const void *data, size_t size, mode_t mode)
{
	return write_new(dir, path, data, size, mode, false);
}

int file_write_atomic(int dir, const char *path, const void *data, size_t size, mode_t mode)
{
	_free_ char *temporary = NULL;
	uint64_t salt;
	int r;

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		return -EIO;
	temporary = str_format("%s.%016llx.tmp", path, (unsigned long long)salt);
	r = write_new(dir, temporary, data, size, mode, true);
	if (r == 0 && renameat(dir, temporary, dir, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temporary, 0);
	return r;
}

DIR *dir_list(int dir, const char *path)
{
	_fd_ int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (stream)
		steal_fd(&fd);
	return stream;
}

const struct dirent *dir_next(DIR *stream)
{
	const struct dirent *entry;

	while (stream && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry;
	return NULL;
}

int dir_names(int dir, const char *path, bool (*wanted)(const char *name), struct strv *ret)
{
	_dir_ DIR *stream = dir_list(dir, path);
	const struct dirent *entry;

	if (!stream)
		return -errno;
	while ((entry = dir_next(stream)))
		if (!wanted || wanted(entry->d_name))
			strv_add(ret, entry->d_name);
	strv_sort(ret);
	return 0;
}

unsigned char dir_entry_type(int dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? DT_UNKNOWN : IFTODT(st.st_mode);
}

int dir_sync_files(int dir)
{
	_dir_ DIR *entries = dir_list(dir, ".");
	const struct dirent *entry;
	int r = entries ? 0 : -errno;

	while (r == 0 && (entry = dir_next(entries))) {
		unsigned char type = dir_entry_type(dir, entry);
		_fd_ int fd = -1;

		if (type != DT_REG && (type != DT_DIR || entry->d_name[0] == '.'))
			continue;
		fd = openat(dir, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 || (type == DT_REG && fdatasync(fd) < 0))
			r = -errno;
		else if (type == DT_DIR)
			r = dir_sync_files(fd);
	}
	return r;
}

int dir_make_all(int dir, const char *path, mode_t mode)
{
	_free_ char *copy = xstrdup(path);

	for (char *p = copy + (*copy == '/'); *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdirat(dir, copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdirat(dir, copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int dir_open_make(int dir, const char *path, mode_t mode, int *ret_fd)
{
	int r = dir_make_all(dir, path, mode), fd;

	if (r < 0)
		return r;
	fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* The removal of a tree, which may be deeper than a process has descriptors or stack: what is below LEVELS_MAX moves up into the top folder and waits there for the next round. */
struct removal {
	int top;
	unsigned moved;
};

#define LEVELS_MAX 64u

/* A name that something else in the top folder has is no use, unless that is an empty folder, which goes. */
static int move_up(struct removal *removal, int dir, const char *name)
{
	char up[32];

	do {
		snprintf(up, sizeof(up), ".deep-%u", removal->moved++);
		if (renameat(dir, name, removal->top, up) == 0 || errno == ENOENT)
			return 0;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
	return -errno;
}

static int remove_folder(int dir, const char *name)
{
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(struct removal *removal, int dir, const char *name, unsigned level);

static int remove_children(struct removal *removal, int dir, const char *path, unsigned level)
{
	_fd_ int own = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_dir_ DIR *d = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	steal_fd(&own);
	while (r == 0 && (errno = 0, (entry = readdir(d))))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_entry(removal, dirfd(d), entry->d_name, level);
	return r ?: -errno;
}

static int remove_entry(struct removal *removal, int dir, const char *name, unsigned level)
{
	int r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (level == LEVELS_MAX && remove_folder(dir, name) < 0)
		return move_up(removal, dir, name);
	r = remove_children(removal, dir, name, level + 1);
	return r ?: remove_folder(dir, name);
}

int tree_remove(int dir, const char *path)
{
	struct removal removal = {.top = -1};
	_fd_ int top = -1;
	unsigned moved;
	int r;

	if (unlinkat(dir, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	top = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (top < 0)
		return errno == ENOENT ? 0 : -errno;
	removal.top = top;
	do {
		moved = removal.moved;
		r = remove_children(&removal, top, ".", 1);
	} while (r == 0 && removal.moved != moved);
	return r ?: remove_folder(dir, path);
}

static int open_resolved(int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? mode : 0,
		.resolve = resolve,
	};
	long fd;

	/* The kernel asks for another try when a rename raced with its walk. */
	do
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int open_in_root(int root, const char *path, int flags, mode_t mode)
{
	return open_resolved(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	return open_resolved(dir, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int memfd_with(const char *name, const void *data, size_t size)
{
	_fd_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, data, size);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return steal_fd(&fd);
}
