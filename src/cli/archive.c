/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/archive.h"

#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(const char *path, struct cor_error *err)
{
	int error = errno;
	enum cor_status status = error == ENOENT   ? COR_NOT_FOUND
				 : error == ENOSPC ? COR_EXHAUSTED
						   : COR_PERMISSION;

	return report_fail(err, status, error, "--output '%s': %s", path, strerror(error));
}

static int open_stdout(struct archive *archive, struct cor_error *err)
{
	if (isatty(STDOUT_FILENO))
		return report_usage(
			err, "an archive is nothing for a terminal: give --output FILE, or pipe it on");
	*archive = (struct archive){.fd = STDOUT_FILENO};
	return 0;
}

/* A file without a name vanishes with us; where the file system has none of these, it has a name of its own from the start. */
static int open_new(struct archive *archive, const char *path, struct cor_error *err)
{
	const char *slash = strrchr(path, '/');
	_text_ char *folder = slash ? text_format("%.*s", (int)(slash - path) + 1, path) : text_copy(".");

	archive->path = path;
	archive->temporary = NULL;
	archive->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (archive->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return cannot(path, err);
	archive->temporary = text_format("%s.%d.part", path, (int)getpid());
	archive->fd = open(archive->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (archive->fd >= 0)
		return 0;
	text_freep(&archive->temporary);
	return cannot(path, err);
}

/* A pipe or a device that has the name is written to. */
int archive_open(struct archive *archive, const char *path, struct cor_error *err)
{
	struct stat st;

	if (!path || text_same(path, "-"))
		return open_stdout(archive, err);
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return open_new(archive, path, err);
	*archive = (struct archive){.fd = open(path, O_WRONLY | O_CLOEXEC)};
	return archive->fd < 0 ? cannot(path, err) : 0;
}

int archive_complete(struct archive *archive, struct cor_error *err)
{
	if (!archive->path)
		return 0;
	/* What takes the place of an older archive is on the disk before. */
	if (fsync(archive->fd) < 0)
		return cannot(archive->path, err);
	if (!archive->temporary) {
		_text_ char *link = text_format("/proc/self/fd/%d", archive->fd);
		_text_ char *temporary = text_format("%s.%d.part", archive->path, (int)getpid());

		unlink(temporary);
		if (linkat(AT_FDCWD, link, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) < 0)
			return cannot(archive->path, err);
		archive->temporary = text_copy(temporary);
	}
	if (rename(archive->temporary, archive->path) < 0)
		return cannot(archive->path, err);
	text_freep(&archive->temporary);
	archive->temporary = NULL;
	return 0;
}

void archive_release(struct archive *archive)
{
	if (archive->temporary)
		unlink(archive->temporary);
	text_freep(&archive->temporary);
	if (archive->fd > STDERR_FILENO)
		close(archive->fd);
}
