/* SPDX-License-Identifier: Apache-2.0 */
/* A number of a process says little: it may be another's by now, and a program that gained rights has descriptors of whoever started it. So what is found counts only if
 * it is called as it must be, was made by the user that we are (which no VMM of root's is), is sealed, and has its size. */
#include "shim/saved_memory.h"

#include "base/file.h"
#include "base/str.h"
#include "oci/digest.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FOLDER    "memory"
#define DIGITS    16
#define NAME_SIZE sizeof("coracle-") + DIGITS
#define SEALS     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void name_memory(const char *digest, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "coracle-%.*s", DIGITS, digest_hex(digest));
}

static int open_folder(int run_fd, const char *digest, bool make)
{
	_free_ char *path = str_format(FOLDER "/%.*s", DIGITS, digest_hex(digest));
	int fd = -1, r = make ? dir_open_make(run_fd, path, 0700, &fd)
			      : open_beneath(run_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	return make && r == 0 ? fd : r;
}

/* By what it is called: nothing else is opened, since that alone could do something. */
static bool is_called(const char *path, const char *digest)
{
	char link[64] = "", wanted[64], name[NAME_SIZE];

	name_memory(digest, name);
	snprintf(wanted, sizeof(wanted), "/memfd:%s (deleted)", name);
	return readlink(path, link, sizeof(link) - 1) > 0 && strcmp(link, wanted) == 0;
}

static bool is_sealed_memory(int fd, uint64_t size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	       (uint64_t)st.st_size == size;
}

/* What a process holds under a number. */
static int open_held(unsigned pid, unsigned number, const char *digest, uint64_t size)
{
	char path[48];
	_fd_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%u/fd/%u", pid, number);
	if (!is_called(path, digest))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && is_sealed_memory(fd, size) ? steal_fd(&fd) : -ENOENT;
}

int saved_memory_find(int run_fd, const char *digest, uint64_t size)
{
	int folder = open_folder(run_fd, digest, false), fd = -ENOENT;
	_dir_ DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	struct dirent *entry;
	unsigned pid, number;

	while (fd < 0 && dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "%u.%u", &pid, &number) != 2)
			continue;
		fd = open_held(pid, number, digest, size);
		if (fd < 0)
			unlinkat(folder, entry->d_name, 0);
	}
	return fd;
}

int saved_memory_make(const char *digest)
{
	char name[NAME_SIZE];
	int fd;

	name_memory(digest, name);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

void saved_memory_offer(int run_fd, const char *digest, int fd)
{
	_fd_ int folder = open_folder(run_fd, digest, true), file = -1;
	char name[32];

	snprintf(name, sizeof(name), "%d.%d", getpid(), fd);
	if (folder >= 0)
		file = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void saved_memory_withdraw(int run_fd, const char *digest, int fd)
{
	_fd_ int folder = open_folder(run_fd, digest, false);
	char name[32];

	snprintf(name, sizeof(name), "%d.%d", getpid(), fd);
	if (folder >= 0)
		unlinkat(folder, name, 0);
}
