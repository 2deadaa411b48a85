/* SPDX-License-Identifier: Apache-2.0 */
/* `logs`: reads what the shim writes, without asking it, so that a stopped container's log reads like a running one's. Followers watch the bundle's
 * folder. */
#include "base/clock.h"
#include "base/file.h"
#include "container/context.h"
#include "container/folders.h"
#include "container/lock.h"
#include "container/log_reader.h"
#include "container/store.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>

#define LOOK_MS 500 /* the lock of a shim that was killed changes without an event */

static int put(int fd, const void *data, size_t size)
{
	return fd < 0 ? 0 : fd_write_all(fd, data, size);
}

static int print(void *user, const struct log_line *line)
{
	const struct cor_log_options *options = user;
	char time[CLOCK_RFC3339_SIZE];
	int fd = line->is_stderr ? options->err : options->out, r = 0;

	if (options->timestamps && !options->boot) {
		clock_format(line->time_ns, time);
		r = put(fd, time, strlen(time));
		r = r ?: put(fd, " ", 1);
	}
	return r ?: put(fd, line->text, line->size);
}

static int follow(struct cor_context *ctx, struct log_reader *reader, const char *id, int watch)
{
	char events[4096] __attribute__((aligned(8)));

	while (!reader->past_until) {
		/* First whether it runs, then what it wrote: what came before its end is then read. */
		int running = container_is_locked(&ctx->roots, id);
		struct pollfd polled = {.fd = watch, .events = POLLIN};
		int r = log_reader_read(reader);

		if (r < 0 || running != 1)
			return r;
		if (poll(&polled, 1, LOOK_MS) < 0 && errno != EINTR)
			return -errno;
		if (polled.revents)
			(void)!read(watch, events, sizeof(events));
	}
	return 0;
}

int cor_container_logs(struct cor_context *ctx, const char *ref, const struct cor_log_options *options,
		       struct cor_error *err)
{
	_cleanup_(log_reader_release) struct log_reader reader = {
		.name = options->boot ? "console.log" : "log",
		.console = options->boot,
		.filter = {.tail = options->tail,
			   .since_ns = options->since_ns,
			   .until_ns = options->until_ns},
		.take = print,
		.user = (void *)(uintptr_t)options,
	};
	_free_ char *path = NULL;
	_fd_ int watch = -1, dir = -1;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	if (r < 0)
		return r;
	dir = reader.dir = container_data_dir(&ctx->roots, id);
	if (dir < 0)
		return cor_fail_errno(err, dir, "container '%s'", ref);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	path = str_format("/proc/self/fd/%d", dir);
	if (watch < 0 ||
	    (options->follow &&
	     inotify_add_watch(watch, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0))
		return cor_fail_errno(err, errno, "watch the log of '%s'", ref);
	log_reader_open(&reader);
	r = log_reader_read(&reader);
	if (r == 0 && options->follow)
		r = follow(ctx, &reader, id, watch);
	if (r == 0)
		r = log_reader_finish(&reader);
	return r < 0 ? cor_fail_errno(err, r, "log of '%s'", ref) : 0;
}
