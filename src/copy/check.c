/* SPDX-License-Identifier: Apache-2.0 */
#include "copy/check.h"

#include "base/str.h"

#include <errno.h>
#include <sys/stat.h>

#define KNOWN_BYTES_MAX                                                                                      \
	(64u                                                                                                 \
	 << 20) /* a walk keeps fewer, and what it does not keep it sends again instead of linking to it */

void copy_check_release(struct copy_check *check)
{
	for (size_t i = 0; i < check->capacity; i++)
		free(check->known[i]);
	free(check->known);
}

static char **find_slot(const struct copy_check *check, const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (const char *p = path; *p; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	for (i = (size_t)(hash >> 16) & (check->capacity - 1);
	     check->known[i] && strcmp(check->known[i], path) != 0;)
		i = (i + 1) & (check->capacity - 1);
	return &check->known[i];
}

static void grow(struct copy_check *check)
{
	char **old = check->known;
	size_t count = check->capacity;

	check->capacity = count ? 2 * count : 256;
	check->known = xcalloc(check->capacity, sizeof(*check->known));
	for (size_t i = 0; i < count; i++)
		if (old[i])
			*find_slot(check, old[i]) = old[i];
	free(old);
}

static void note(struct copy_check *check, const char *path)
{
	char **slot;

	if (check->bytes > KNOWN_BYTES_MAX)
		return;
	if (2 * check->count >= check->capacity)
		grow(check);
	slot = find_slot(check, path);
	if (*slot)
		return;
	*slot = xstrdup(path);
	check->count++;
	check->bytes += sizeof(*slot) + strlen(path);
}

int copy_check_name(const struct copy_check *check, const struct copy_entry *entry, struct cor_error *err)
{
	return copy_path_below(entry->path, check->name)
		       ? 0
		       : cor_fail(err, COR_CORRUPT, EBADMSG, "'%.256s' came, which nobody asked for",
				  entry->path);
}

int copy_check_link(struct copy_check *check, const struct copy_entry *entry, struct cor_error *err)
{
	if (entry->hard_link && (!check->capacity || !*find_slot(check, entry->hard_link)))
		return cor_fail(err, COR_CORRUPT, EXDEV,
				"'%.256s' is a hard link to '%.256s', which was not sent before", entry->path,
				entry->hard_link);
	if (!entry->hard_link && entry->links > 1 && !S_ISDIR(entry->mode))
		note(check, entry->path);
	return 0;
}
