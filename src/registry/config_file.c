/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/config_file.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <sys/stat.h>

static int check_owner(const struct stat *st, const char *path, struct cor_error *err)
{
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return cor_fail(err, COR_PERMISSION, EPERM, "'%s' is another user's: it is not read", path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return cor_fail(err, COR_PERMISSION, EPERM,
				"'%s' may be written by others: it is not read (chmod go-w helps)", path);
	return 0;
}

int config_file_read(const char *path, bool strict, char **ret, size_t *ret_size, struct cor_error *err)
{
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_free_ char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*ret = NULL;
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return cor_fail_errno(err, errno, "read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return cor_fail(err, COR_CORRUPT, EINVAL, "'%s' is no file", path);
	r = strict ? check_owner(&st, path, err) : 0;
	if (r < 0)
		return r;
	if ((uint64_t)st.st_size > CONFIG_FILE_SIZE_MAX)
		return cor_fail(err, COR_CORRUPT, EFBIG, "'%s' is larger than 1 MiB", path);
	text = xcalloc((size_t)st.st_size + 1, 1);
	r = fd_read_all(fd, text, (size_t)st.st_size);
	if (r < 0)
		return cor_fail_errno(err, r, "read '%s'", path);
	*ret = steal_ptr(text);
	*ret_size = (size_t)st.st_size;
	return 0;
}
