/* SPDX-License-Identifier: Apache-2.0 */
/* Renaming instead of copying: a reader that follows the file keeps its descriptor and finds the new one by name. A record that was cut by a full
 * disk is taken back, so that the file always ends with a whole one. */
#include "shim/rotating.h"

#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int open_current(struct rotating *log)
{
	struct stat st;

	log->fd = openat(log->dir, log->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log->fd < 0)
		return -errno;
	if (fstat(log->fd, &st) < 0)
		return -errno;
	log->size = (uint64_t)st.st_size;
	return 0;
}

int rotating_open(struct rotating *log, int dir, const char *name, uint64_t limit, unsigned keep)
{
	*log = (struct rotating){.dir = dir, .fd = -1, .name = name, .limit = limit, .keep = keep};
	return open_current(log);
}

static void numbered(const struct rotating *log, unsigned number, char out[static 64])
{
	if (number)
		snprintf(out, 64, "%s.%u", log->name, number);
	else
		snprintf(out, 64, "%s", log->name);
}

static int rotate(struct rotating *log)
{
	close_fd(&log->fd);
	for (unsigned i = log->keep - 1; i > 0; i--) {
		char from[64], to[64];

		numbered(log, i - 1, from);
		numbered(log, i, to);
		renameat(log->dir, from, log->dir, to);
	}
	if (log->keep == 1)
		unlinkat(log->dir, log->name, 0);
	return open_current(log);
}

static int append(struct rotating *log, const void *data, size_t size)
{
	int r = 0;

	if (log->fd < 0)
		r = open_current(log);
	if (r == 0 && log->size && log->size + size > log->limit)
		r = rotate(log);
	if (r < 0)
		return r;
	r = fd_write_all(log->fd, data, size);
	if (r < 0 && ftruncate(log->fd, (off_t)log->size) < 0)
		close_fd(&log->fd);
	if (r == 0)
		log->size += size;
	return r;
}

int rotating_write(struct rotating *log, const void *data, size_t size)
{
	bool failed_before = log->failing;
	int r;

	if (!log->name)
		return 0;
	r = append(log, data, size);
	log->failing = r < 0;
	return failed_before ? 0 : r;
}

void rotating_close(struct rotating *log)
{
	if (log->name)
		close_fd(&log->fd);
	log->name = NULL;
}
