/* SPDX-License-Identifier: Apache-2.0 */
/* `logs`: reads what the shim writes, without asking it, so that a stopped container's log reads like a running one's.
 *
 * A log is a file and its predecessors, NAME.2, NAME.1, NAME, oldest first. Followers watch the bundle's folder: when NAME has become another file, the
 * one that is open is read to its end and then the new one from its start. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "container/context.h"
#include "container/log_line.h"
#include "container/store.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define KEPT_FILES 16 /* more than the shim keeps */
#define CHUNK      (64u << 10)
#define LINE_MAX   (1u << 20) /* of a record; a longer one is cut, since nothing of ours writes it */
#define LOOK_MS    500        /* the lock of a shim that was killed changes without an event */

struct reader {
	const struct cor_log_options *options;
	const char *name; /* "log" or "console.log" */
	int dir, fd;
	bool past_until;
	struct buffer pending; /* bytes of a record that is not complete */
	int64_t skip;          /* records still to leave out, for `tail` */
};

/* ---- records ---- */

/* False when the record lies outside the time that was asked for. */
static bool wanted(struct reader *reader, const struct log_line *line)
{
	const struct cor_log_options *options = reader->options;

	if (options->since_ns && line->time_ns < options->since_ns)
		return false;
	if (options->until_ns && line->time_ns > options->until_ns) {
		reader->past_until = true;
		return false;
	}
	return true;
}

static int put(int fd, const void *data, size_t size)
{
	return fd < 0 ? 0 : fd_write_all(fd, data, size);
}

static int emit_record(struct reader *reader, const char *record, size_t size)
{
	_cleanup_(log_line_release) struct log_line line = {0};
	char time[CLOCK_RFC3339_SIZE];
	int fd, r = 0;

	/* What a crash cut short in the middle of the file is left out. */
	if (log_line_parse(record, size, &line) < 0 || !wanted(reader, &line))
		return 0;
	fd = line.is_stderr ? reader->options->err : reader->options->out;
	if (reader->options->timestamps) {
		clock_format(line.time_ns, time);
		r = put(fd, time, strlen(time));
		r = r ?: put(fd, " ", 1);
	}
	return r ?: put(fd, line.text, line.size);
}

static int emit(struct reader *reader, const char *record, size_t size)
{
	if (reader->skip > 0) {
		reader->skip--;
		return 0;
	}
	return reader->options->boot ? put(reader->options->out, record, size)
				     : emit_record(reader, record, size);
}

/* Emits the complete records of what is pending. */
static int drain(struct reader *reader)
{
	while (buffer_size(&reader->pending) && !reader->past_until) {
		const char *start = (const char *)buffer_bytes(&reader->pending);
		const char *end = memchr(start, '\n', buffer_size(&reader->pending));
		size_t size = end ? (size_t)(end - start) + 1 : buffer_size(&reader->pending);
		int r;

		if (!end && size < LINE_MAX)
			break;
		r = emit(reader, start, size);
		buffer_consume(&reader->pending, size);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Everything that the open file has by now. */
static int read_on(struct reader *reader)
{
	while (reader->fd >= 0 && !reader->past_until) {
		uint8_t *room = buffer_reserve(&reader->pending, CHUNK);
		ssize_t n = read(reader->fd, room, CHUNK);
		int r;

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0)
			buffer_commit(&reader->pending, (size_t)n);
		r = drain(reader);
		if (r < 0)
			return r;
	}
	return 0;
}

/* At the end of a file that gets no more: a console's last line may have no end. */
static int finish_file(struct reader *reader)
{
	int r = 0;

	if (buffer_size(&reader->pending) && reader->options->boot)
		r = emit(reader, (const char *)buffer_bytes(&reader->pending), buffer_size(&reader->pending));
	buffer_clear(&reader->pending);
	close_fd(&reader->fd);
	return r;
}

/* ---- files ---- */

static char *file_name(const struct reader *reader, unsigned age)
{
	return age ? str_format("%s.%u", reader->name, age) : xstrdup(reader->name);
}

static int open_file(const struct reader *reader, unsigned age)
{
	_free_ char *name = file_name(reader, age);

	return open_beneath(reader->dir, name, O_RDONLY, 0);
}

/* True when fd is one of these files already, under a name that it had before a rotation. */
static bool is_among(int fd, const int *fds, unsigned count)
{
	struct stat mine, other;

	if (fstat(fd, &mine) < 0)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (fstat(fds[i], &other) == 0 && mine.st_ino == other.st_ino && mine.st_dev == other.st_dev)
			return true;
	return false;
}

/* Opens all files before any is read, newest first: a rotation meanwhile can only show one of them twice. */
static unsigned open_all(const struct reader *reader, int fds[KEPT_FILES])
{
	unsigned count = 0;

	for (unsigned age = 0; age < KEPT_FILES; age++) {
		int fd = open_file(reader, age);

		if (fd >= 0 && is_among(fd, fds, count))
			close(fd);
		else if (fd >= 0)
			fds[count++] = fd;
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

/* Reads what is there; the newest file stays open. */
static int read_files(struct reader *reader)
{
	int fds[KEPT_FILES], r = 0;
	unsigned count = open_all(reader, fds);

	if (reader->options->tail >= 0) {
		int64_t records = 0;

		for (unsigned i = 0; i < count; i++)
			records += count_records(fds[i]);
		reader->skip = records > reader->options->tail ? records - reader->options->tail : 0;
	}
	while (count-- > 0) {
		if (r < 0) {
			close(fds[count]);
			continue;
		}
		reader->fd = fds[count];
		r = read_on(reader);
		if (r == 0 && count)
			r = finish_file(reader);
	}
	return r;
}

/* True when the name leads to another file than the open one. */
static bool was_rotated(const struct reader *reader)
{
	struct stat open_file_stat, named;

	if (fstatat(reader->dir, reader->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return reader->fd < 0 || fstat(reader->fd, &open_file_stat) < 0 ||
	       open_file_stat.st_ino != named.st_ino || open_file_stat.st_dev != named.st_dev;
}

static int read_news(struct reader *reader)
{
	int r = read_on(reader);

	if (r < 0 || reader->past_until || !was_rotated(reader))
		return r;
	r = finish_file(reader);
	if (r < 0)
		return r;
	reader->fd = open_file(reader, 0);
	return reader->fd < 0 ? 0 : read_on(reader);
}

/* ---- following ---- */

static int follow(struct cor_context *ctx, struct reader *reader, const char *id, int watch)
{
	char events[4096] __attribute__((aligned(8)));

	while (!reader->past_until) {
		/* First whether it runs, then what it wrote: what came before its end is then read. */
		int running = container_is_locked(&ctx->roots, id);
		struct pollfd polled = {.fd = watch, .events = POLLIN};
		int r = read_news(reader);

		if (r < 0 || running != 1)
			return r;
		if (poll(&polled, 1, LOOK_MS) < 0 && errno != EINTR)
			return -errno;
		if (polled.revents)
			(void)!read(watch, events, sizeof(events));
	}
	return 0;
}

static void reader_release(struct reader *reader)
{
	cleanup_fd(&reader->dir);
	cleanup_fd(&reader->fd);
	buffer_release(&reader->pending);
}

int cor_container_logs(struct cor_context *ctx, const char *ref, const struct cor_log_options *options,
		       struct cor_error *err)
{
	_cleanup_(reader_release) struct reader reader = {.options = options, .dir = -1, .fd = -1};
	_free_ char *path = NULL;
	_fd_ int watch = -1;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	if (r < 0)
		return r;
	reader.name = options->boot ? "console.log" : "log";
	reader.dir = container_data_dir(&ctx->roots, id);
	if (reader.dir < 0)
		return cor_fail_errno(err, reader.dir, "container '%s'", ref);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	path = str_format("/proc/self/fd/%d", reader.dir);
	if (watch < 0 ||
	    (options->follow &&
	     inotify_add_watch(watch, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0))
		return cor_fail_errno(err, errno, "watch the log of '%s'", ref);
	r = read_files(&reader);
	if (r == 0 && options->follow)
		r = follow(ctx, &reader, id, watch);
	if (r == 0)
		r = finish_file(&reader);
	return r < 0 ? cor_fail_errno(err, r, "log of '%s'", ref) : 0;
}
