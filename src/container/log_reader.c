/* SPDX-License-Identifier: Apache-2.0 */
/* Files are told apart by inode, since a rotation changes their names: whoever reads on after one looks for the open file among the predecessors and queues
 * what is younger. All files are opened before any is read, newest first, so that a rotation meanwhile can only show one of them twice. */
#include "container/log_reader.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <sys/stat.h>

#define CHUNK    (64u << 10)
#define LINE_MAX (1u << 20) /* of a record; a longer one is cut, since nothing of ours writes it */

/* ---- records ---- */

/* False when the record lies outside the time that was asked for. */
static bool wanted(struct log_reader *reader, const struct log_line *line)
{
	if (reader->filter.until_ns && line->time_ns > reader->filter.until_ns) {
		reader->past_until = true;
		return false;
	}
	return !reader->filter.since_ns || line->time_ns >= reader->filter.since_ns;
}

static int emit(struct log_reader *reader, const char *record, size_t size)
{
	_cleanup_(log_line_release) struct log_line line = {.text = record, .size = size};

	if (reader->skip > 0) {
		reader->skip--;
		return 0;
	}
	/* What a crash cut short in the middle of the file is left out. */
	if (!reader->console && (log_line_parse(record, size, &line) < 0 || !wanted(reader, &line)))
		return 0;
	return reader->take(reader->user, &line);
}

/* Emits the complete records of what is pending. */
static int drain(struct log_reader *reader)
{
	int r = 0;

	while (r == 0 && buffer_size(&reader->pending) && !reader->past_until) {
		const char *start = (const char *)buffer_bytes(&reader->pending);
		const char *end = memchr(start, '\n', buffer_size(&reader->pending));
		size_t size = end ? (size_t)(end - start) + 1 : buffer_size(&reader->pending);

		if (!end && size < LINE_MAX)
			break;
		r = emit(reader, start, size);
		buffer_consume(&reader->pending, size);
	}
	return r;
}

/* Everything that the oldest of the files has by now. */
static int read_file(struct log_reader *reader)
{
	int fd = reader->files[reader->count - 1], r = drain(reader);

	while (r == 0 && !reader->past_until) {
		uint8_t *room = buffer_reserve(&reader->pending, CHUNK);
		ssize_t n = read(fd, room, CHUNK);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			buffer_commit(&reader->pending, (size_t)n);
		r = drain(reader);
	}
	return r;
}

/* ---- files ---- */

static bool same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* Opens what is younger than the file `known` (-1: all that there is). */
static unsigned open_files(const struct log_reader *reader, int known, int files[LOG_FILES_MAX])
{
	unsigned count = 0;

	for (unsigned age = 0; age < LOG_FILES_MAX; age++) {
		_free_ char *name = age ? str_format("%s.%u", reader->name, age) : xstrdup(reader->name);
		_fd_ int fd = open_beneath(reader->dir, name, O_RDONLY, 0);

		if (fd < 0)
			continue;
		if (known >= 0 && same_file(fd, known))
			break;
		if (count == 0 || !same_file(fd, files[count - 1]))
			files[count++] = steal_fd(&fd);
	}
	return count;
}

static int64_t count_records(int fd)
{
	char chunk[CHUNK];
	int64_t count = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, chunk, sizeof(chunk), at)) > 0) {
		for (char *p = chunk; (p = memchr(p, '\n', (size_t)(chunk + n - p))); p++)
			count++;
		at += n;
	}
	return count;
}

void log_reader_open(struct log_reader *reader)
{
	int64_t records = 0;

	reader->count = open_files(reader, -1, reader->files);
	for (unsigned i = 0; reader->filter.tail >= 0 && i < reader->count; i++)
		records += count_records(reader->files[i]);
	if (reader->filter.tail >= 0 && records > reader->filter.tail)
		reader->skip = records - reader->filter.tail;
}

int log_reader_finish(struct log_reader *reader)
{
	int r = 0;

	if (buffer_size(&reader->pending) && reader->console && !reader->past_until)
		r = emit(reader, (const char *)buffer_bytes(&reader->pending), buffer_size(&reader->pending));
	buffer_clear(&reader->pending);
	return r;
}

/* The oldest file gets no more. */
static int leave_file(struct log_reader *reader)
{
	close(reader->files[--reader->count]);
	return log_reader_finish(reader);
}

int log_reader_read(struct log_reader *reader)
{
	int newer[LOG_FILES_MAX], r = 0;

	while (r == 0 && !reader->past_until) {
		if (reader->count == 0) {
			reader->count = open_files(reader, -1, reader->files);
			if (reader->count == 0)
				return 0;
		}
		r = read_file(reader);
		if (r != 0 || reader->past_until)
			break;
		if (reader->count > 1) {
			r = leave_file(reader);
			continue;
		}
		unsigned count = open_files(reader, reader->files[0], newer);

		if (count == 0)
			return 0;
		/* It may have grown between the reading and the rotation. */
		r = read_file(reader);
		r = r ?: leave_file(reader);
		if (r < 0 || reader->count) {
			while (count)
				close(newer[--count]);
			break;
		}
		memcpy(reader->files, newer, sizeof(newer));
		reader->count = count;
	}
	return r;
}

void log_reader_release(struct log_reader *reader)
{
	while (reader->count)
		close(reader->files[--reader->count]);
	buffer_release(&reader->pending);
}
