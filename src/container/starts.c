/* SPDX-License-Identifier: Apache-2.0 */
/* One file, changed in place under its own flock, for which nobody waits: a start is not to hang on whoever holds it. Written before it is cut, so that a reader,
 * who takes no lock, sees all of it. One that was half written when its writer died begins anew. */
#include "container/starts.h"

#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <sys/file.h>

#define NAME       "starts.json"
#define COUNTS_MAX 16384

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
	_fd_ int fd = openat(roots->run_fd, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	_json_ json_t *counts = NULL;
	_free_ char *text = NULL;
	size_t size;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	counts = read_counts(fd);
	if (why && !json_is_object(json_object_get(counts, how)))
		json_object_set_new(counts, how, json_object());
	add_one(why ? json_object_get(counts, how) : counts, why ?: how);
	text = json_dumps(counts, JSON_COMPACT);
	size = text ? strlen(text) : 0;
	if (size && size <= COUNTS_MAX && pwrite(fd, text, size, 0) == (ssize_t)size)
		(void)!ftruncate(fd, (off_t)size);
}

json_t *starts_read(const struct roots *roots)
{
	_fd_ int fd = openat(roots->run_fd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return read_counts(fd);
}
