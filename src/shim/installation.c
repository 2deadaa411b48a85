/* SPDX-License-Identifier: Apache-2.0 */
/* Looks in a fixed order of places. A place that was named by hand is the only one that counts: falling back would run another kernel than the one that
 * somebody meant. */
#include "shim/installation.h"

#include "base/file.h"
#include "base/prefix.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* What such a file begins with. A VMM that is given something else says so late and in words of its own, or not at all. */
struct magic {
	off_t offset;
	const char *bytes;
	size_t size;
};

#define MAGIC(offset, text)                                                                                  \
	{                                                                                                    \
		offset, text, sizeof(text) - 1                                                               \
	}
#define MAGICS_MAX 3

struct kind {
	const char *name, *format, *remedy;
	struct magic magics[MAGICS_MAX]; /* any of them */
};

static const struct kind kernel_kind = {
	.name = "kernel",
	.format = "an ELF file",
	.remedy = "name an uncompressed vmlinux with --kernel or CORACLE_KERNEL",
	.magics =
		{
			MAGIC(0, "\177ELF"),
#if defined(__aarch64__)
			MAGIC(56, "ARM\x64"), /* an Image (Documentation/arch/arm64/booting.rst of Linux) */
#endif
		},
};

/* Documentation/driver-api/early-userspace/buffer-format.rst of Linux, gzip (RFC 1952), zstd (RFC 8878). */
static const struct kind initramfs_kind = {
	.name = "initramfs",
	.format = "a cpio archive (newc), as it is or compressed by gzip or zstd",
	.remedy = "name one with --init-image or CORACLE_INITRAMFS",
	.magics = {MAGIC(0, "070701"), MAGIC(0, "\x1f\x8b"), MAGIC(0, "\x28\xb5\x2f\xfd")},
};

static bool begins_as(int fd, const struct kind *kind)
{
	char bytes[8];

	for (size_t i = 0; i < MAGICS_MAX && kind->magics[i].size; i++) {
		const struct magic *magic = &kind->magics[i];

		if (pread(fd, bytes, magic->size, magic->offset) == (ssize_t)magic->size &&
		    memcmp(bytes, magic->bytes, magic->size) == 0)
			return true;
	}
	return false;
}

/* The folder of this executable; the caller's, or NULL. */
static char *own_folder(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	return xstrdup(path);
}

/* The youngest vmlinux in the cache that is of this architecture (kernel/build.sh begins a folder's name with it), or NULL. */
static char *newest_kernel(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	_free_ char *folder = NULL, *best = NULL;
	struct timespec newest = {0};
	struct utsname host;
	struct dirent *entry;
	_dir_ DIR *dir = NULL;

	if (cache && *cache == '/')
		folder = str_format("%s/coracle/kernels", cache);
	else if (home && *home == '/')
		folder = str_format("%s/.cache/coracle/kernels", home);
	if (uname(&host) < 0)
		return NULL;
	dir = folder ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir))) {
		_free_ char *path = str_format("%s/%s/vmlinux", folder, entry->d_name);
		struct stat st;

		const char *rest = str_after(entry->d_name, host.machine);

		if (!rest || *rest != '-' || stat(path, &st) < 0)
			continue;
		if (best && (st.st_mtim.tv_sec < newest.tv_sec ||
			     (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec <= newest.tv_nsec)))
			continue;
		newest = st.st_mtim;
		free(best);
		best = steal_ptr(path);
	}
	return steal_ptr(best);
}

static int open_file(const char *path, const struct kind *kind, int *ret_fd, struct cor_error *err)
{
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return cor_fail_errno(err, errno, "%s '%s'", kind->name, path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cor_fail(err, COR_INVALID, EINVAL, "%s '%s' is not a file", kind->name, path);
	if (!begins_as(fd, kind))
		return cor_fail(err, COR_INVALID, ENOEXEC, "%s '%s' is not %s: %s", kind->name, path,
				kind->format, kind->remedy);
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Tries the places in order; takes their strings over. */
static int open_first(const struct kind *kind, const char *given, char **places, size_t count, int *ret_fd,
		      char **ret_path, struct cor_error *err)
{
	int r = -ENOENT;

	if (!str_empty(given)) {
		r = open_file(given, kind, ret_fd, err);
		if (r == 0 && ret_path)
			*ret_path = xstrdup(given);
	}
	for (size_t i = 0; i < count; i++) {
		if (r == -ENOENT && str_empty(given) && places[i]) {
			r = open_file(places[i], kind, ret_fd, NULL);
			if (r == 0 && ret_path)
				*ret_path = xstrdup(places[i]);
			else if (r < 0)
				r = -ENOENT;
		}
		free(places[i]);
	}
	return r;
}

int kernel_open(const char *given, int *ret_fd, char **ret_path, struct cor_error *err)
{
	_free_ char *folder = own_folder();
	char *places[] = {
		*CORACLE_DEFAULT_KERNEL ? xstrdup(CORACLE_DEFAULT_KERNEL) : NULL,
		folder ? str_format("%s/vmlinux", folder) : NULL,
		xstrdup(CORACLE_PREFIX "/lib/coracle/vmlinux"),
		newest_kernel(),
	};
	int r;

	if (str_empty(given))
		given = getenv("CORACLE_KERNEL");
	r = open_first(&kernel_kind, given, places, ARRAY_SIZE(places), ret_fd, ret_path, err);
	if (r < 0 && str_empty(given))
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"there is no guest kernel: build one with `make kernel`, or name one with "
				"--kernel or CORACLE_KERNEL");
	return r;
}

int initramfs_open(const char *given, int *ret_fd, char **ret_path, struct cor_error *err)
{
	_free_ char *folder = own_folder();
	char *places[] = {
		folder ? str_format("%s/../init/initramfs.cpio", folder) : NULL,
		folder ? str_format("%s/initramfs.cpio", folder) : NULL,
		xstrdup(CORACLE_PREFIX "/lib/coracle/initramfs.cpio"),
	};
	int r;

	if (str_empty(given))
		given = getenv("CORACLE_INITRAMFS");
	r = open_first(&initramfs_kind, given, places, ARRAY_SIZE(places), ret_fd, ret_path, err);
	if (r < 0 && str_empty(given))
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"the guest's first process is not installed: run `make`, or name an "
				"initramfs with CORACLE_INITRAMFS");
	return r;
}
