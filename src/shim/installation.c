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

static int open_file(const char *path, const char *what, int *ret_fd, struct cor_error *err)
{
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return cor_fail_errno(err, errno, "%s '%s'", what, path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cor_fail(err, COR_INVALID, EINVAL, "%s '%s' is not a file", what, path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Tries the places in order; takes their strings over. */
static int open_first(const char *what, const char *given, char **places, size_t count, int *ret_fd,
		      char **ret_path, struct cor_error *err)
{
	int r = -ENOENT;

	if (!str_empty(given)) {
		r = open_file(given, what, ret_fd, err);
		if (r == 0 && ret_path)
			*ret_path = xstrdup(given);
	}
	for (size_t i = 0; i < count; i++) {
		if (r == -ENOENT && str_empty(given) && places[i]) {
			r = open_file(places[i], what, ret_fd, NULL);
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
	r = open_first("kernel", given, places, ARRAY_SIZE(places), ret_fd, ret_path, err);
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
	r = open_first("initramfs", given, places, ARRAY_SIZE(places), ret_fd, ret_path, err);
	if (r < 0 && str_empty(given))
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"the guest's first process is not installed: run `make`, or name an "
				"initramfs with CORACLE_INITRAMFS");
	return r;
}
