/* SPDX-License-Identifier: Apache-2.0 */
/* One file, changed in place under its own flock, so that shims which start at once are all counted. One that was half written when its writer died begins anew. */
#include "container/starts.h"

#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <sys/file.h>

#define NAME       "starts.json"
#define COUNTS_MAX 16384

static int open_locked(const struct roots *roots, int flags, int operation)
{
	_fd_ int fd = openat(roots->run_fd, NAME, flags | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd >= 0 && flock(fd, operation) == 0 ? steal_fd(&fd) : -1;
}

static json_t *read_counts(int fd)
{
	char text[COUNTS_MAX];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text), 0);
	json_t *counts = n > 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(counts))
		return counts;
	json_decref(counts);
	return json_object();
}

static void add_one(json_t *counts, const char *name)
{
	json_object_set_new(counts, name,
			    json_integer(json_integer_value(json_object_get(counts, name)) + 1));
}

void starts_count(const struct roots *roots, const char *how, const char *why)
{
	_fd_ int fd = open_locked(roots, O_RDWR | O_CREAT, LOCK_EX);
	_json_ json_t *counts = read_counts(fd);
	_free_ char *text = NULL;

	if (why && !json_is_object(json_object_get(counts, how)))
		json_object_set_new(counts, how, json_object());
	add_one(why ? json_object_get(counts, how) : counts, why ?: how);
	text = json_dumps(counts, JSON_COMPACT);
	if (fd < 0 || !text || strlen(text) > COUNTS_MAX || ftruncate(fd, 0) < 0)
		return;
	(void)!pwrite(fd, text, strlen(text), 0);
}

json_t *starts_read(const struct roots *roots)
{
	_fd_ int fd = open_locked(roots, O_RDONLY, LOCK_SH);

	return read_counts(fd);
}
