/* SPDX-License-Identifier: Apache-2.0 */
/* Two walks side by side, like the two hands of a merge.
 *
 * A file is the image's own when its inode's number, its size and its change time are: whatever a guest does to an inode, its kernel writes the time, and the image's inodes
 * were numbered and timed by us. A folder's times change with what is in it; what is in it speaks for itself, and only its own attributes count. */
#include "container/changes.h"

#include "base/json.h"
#include "base/str.h"

#include <errno.h>
#include <sys/stat.h>

#define PATHS_BYTES_MAX (256u << 20)

/* A folder on the way down. */
struct level {
	char *path;
	struct ext4_folder base; /* of the image; empty where it has none there */
	size_t next;             /* of base */
	uint64_t number;         /* of its entry */
	char kind;               /* how it is listed, or would be if anything in it changed: 'A' or 'C' */
	bool listed;
};

struct comparison {
	struct ext4_reader *base;
	struct strv mounts; /* where something is mounted, relative */
	struct level *levels;
	size_t depth, capacity;
	struct changes changes;
	size_t change_capacity, bytes;
	uint64_t number; /* of the next entry */
};

static void level_release(struct level *level)
{
	free(level->path);
	ext4_folder_release(&level->base);
}

void changes_release(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->items[i].path);
	free(changes->items);
	free(changes->wanted);
	*changes = (struct changes){0};
}

struct comparison *comparison_new(struct ext4_reader *base, const json_t *config)
{
	struct comparison *c = xcalloc(1, sizeof(*c));
	const json_t *mount;
	size_t i;

	c->base = base;
	json_array_foreach (json_object_get(config, "mounts"), i, mount) {
		const char *target = json_string_value(json_object_get(mount, "destination"));

		if (target && *target == '/')
			strv_add(&c->mounts, target + 1);
	}
	return c;
}

void comparison_free(struct comparison *c)
{
	if (!c)
		return;
	while (c->depth)
		level_release(&c->levels[--c->depth]);
	free(c->levels);
	strv_release(&c->mounts);
	changes_release(&c->changes);
	free(c);
}

/* ---- the list ---- */

static int list(struct comparison *c, char kind, const char *path, struct cor_error *err)
{
	struct changes *changes = &c->changes;

	c->bytes += strlen(path);
	if (changes->count == CHANGES_MAX || c->bytes > PATHS_BYTES_MAX)
		return cor_fail(err, COR_EXHAUSTED, EFBIG, "the container has changed more than %u files",
				CHANGES_MAX);
	if (changes->count == c->change_capacity) {
		c->change_capacity = c->change_capacity ? 2 * c->change_capacity : 64;
		changes->items = xreallocarray(changes->items, c->change_capacity, sizeof(*changes->items));
	}
	changes->items[changes->count++] = (struct change){kind, xstrdup(path)};
	return 0;
}

static void want(struct changes *changes, uint64_t number)
{
	size_t byte = (size_t)(number / 8), size = changes->wanted_size;

	if (byte >= size) {
		changes->wanted_size = MAX(byte + 1, 2 * size);
		changes->wanted = xreallocarray(changes->wanted, changes->wanted_size, 1);
		memset(changes->wanted + size, 0, changes->wanted_size - size);
	}
	changes->wanted[byte] |= (uint8_t)(1u << number % 8);
}

/* A change below them is one of theirs. The root itself is not told of. */
static int list_folders(struct comparison *c, size_t depth, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < depth; i++) {
		struct level *level = &c->levels[i];

		if (level->listed || !*level->path)
			continue;
		level->listed = true;
		want(&c->changes, level->number);
		r = list(c, level->kind, level->path, err);
	}
	return r;
}

static int list_entry(struct comparison *c, char kind, const char *path, uint64_t number,
		      struct cor_error *err)
{
	int r = list_folders(c, c->depth, err);

	want(&c->changes, number);
	return r ?: list(c, kind, path, err);
}

/* ---- one entry against its like ---- */

static bool is_time(int64_t a, uint32_t a_ns, int64_t b, uint32_t b_ns)
{
	return a == b && a_ns == b_ns;
}

static bool attributes_equal(const struct copy_entry *entry, const struct ext4_file *file)
{
	return entry->mode == file->mode && entry->uid == file->uid && entry->gid == file->gid;
}

static bool file_equal(const struct copy_entry *entry, const struct ext4_file *file)
{
	return attributes_equal(entry, file) && entry->inode == file->number &&
	       is_time(entry->ctime, entry->ctime_ns, file->ctime, file->ctime_ns) &&
	       (!S_ISREG(entry->mode) || entry->size == file->size);
}

/* Whoever makes or removes something in it sets both of its times to the same moment. */
static bool folder_equal(const struct copy_entry *entry, const struct ext4_file *file)
{
	return attributes_equal(entry, file) &&
	       (is_time(entry->ctime, entry->ctime_ns, file->ctime, file->ctime_ns) ||
		is_time(entry->ctime, entry->ctime_ns, entry->mtime, entry->mtime_ns));
}

/* Made by us, for something to be mounted there. */
static bool is_mounted_on(const struct comparison *c, const struct copy_entry *entry)
{
	const char *mount;

	strv_foreach (&c->mounts, i, mount) {
		if (S_ISDIR(entry->mode) && copy_path_below(mount, entry->path))
			return true;
		if (S_ISREG(entry->mode) && entry->size == 0 && strcmp(mount, entry->path) == 0)
			return true;
	}
	return false;
}

/* ---- the walk ---- */

/* What the image has and the guest has passed by. */
static int skip_to(struct comparison *c, struct level *level, const char *name, struct cor_error *err)
{
	int r = 0;

	while (r == 0 && level->next < level->base.count &&
	       (!name || strcmp(level->base.items[level->next].name, name) < 0)) {
		const char *gone = level->base.items[level->next++].name;
		_free_ char *path = str_format("%s%s%s", level->path, *level->path ? "/" : "", gone);

		r = list_folders(c, c->depth, err);
		r = r ?: list(c, 'D', path, err);
	}
	return r;
}

static int leave(struct comparison *c, struct cor_error *err)
{
	int r = skip_to(c, &c->levels[c->depth - 1], NULL, err);

	level_release(&c->levels[--c->depth]);
	return r;
}

static int enter(struct comparison *c, const struct copy_entry *entry, const struct ext4_file *base,
		 char kind, bool listed, struct cor_error *err)
{
	struct level *level;

	if (c->depth == c->capacity) {
		c->capacity = c->capacity ? 2 * c->capacity : 16;
		c->levels = xreallocarray(c->levels, c->capacity, sizeof(*c->levels));
	}
	level = &c->levels[c->depth++];
	*level = (struct level){
		.path = xstrdup(entry->path), .number = c->number - 1, .kind = kind, .listed = listed};
	return base && S_ISDIR(base->mode) ? ext4_reader_list(c->base, base->number, &level->base, err) : 0;
}

static int out_of_order(struct cor_error *err)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "the guest's walk through its files makes no sense");
}

/* The folder that holds the entry is the innermost that is not left yet. */
static int find_level(struct comparison *c, const char *path, const char **ret_name, struct cor_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t size = slash ? (size_t)(slash - path) : 0;
	int r = 0;

	while (r == 0 && c->depth > 1) {
		const struct level *level = &c->levels[c->depth - 1];

		if (strlen(level->path) == size && strncmp(level->path, path, size) == 0)
			break;
		r = leave(c, err);
	}
	if (r < 0)
		return r;
	if (!c->depth || strlen(c->levels[c->depth - 1].path) != size)
		return out_of_order(err);
	*ret_name = slash ? slash + 1 : path;
	return 0;
}

static int compare(struct comparison *c, const struct copy_entry *entry, const struct ext4_file *base,
		   struct cor_error *err)
{
	bool folder = S_ISDIR(entry->mode);
	bool equal = base ? (folder ? folder_equal(entry, base) : file_equal(entry, base))
			  : is_mounted_on(c, entry);
	char kind = base ? 'C' : 'A';
	int r = equal ? 0 : list_entry(c, kind, entry->path, c->number - 1, err);

	return r < 0 || !folder ? r : enter(c, entry, base, kind, !equal, err);
}

static int take_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	struct comparison *c = user;
	const struct ext4_file root = {.number = EXT4_ROOT, .mode = S_IFDIR}, *base = NULL;
	const char *name = NULL;
	struct level *level;
	int r;

	c->number++;
	if (!*entry->path)
		return c->depth || !S_ISDIR(entry->mode) ? out_of_order(err)
							 : enter(c, entry, &root, 'C', true, err);
	r = find_level(c, entry->path, &name, err);
	if (r < 0)
		return r;
	level = &c->levels[c->depth - 1];
	r = skip_to(c, level, name, err);
	if (r == 0 && level->next < level->base.count &&
	    strcmp(level->base.items[level->next].name, name) == 0)
		base = &level->base.items[level->next++];
	return r ?: compare(c, entry, base, err);
}

static int take_data(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err)
{
	return out_of_order(err);
}

struct copy_sink comparison_sink(struct comparison *comparison)
{
	return (struct copy_sink){.entry = take_entry, .data = take_data, .user = comparison};
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

int comparison_end(struct comparison *c, struct changes *ret, struct cor_error *err)
{
	int r = c->depth ? 0 : out_of_order(err);

	while (r == 0 && c->depth)
		r = leave(c, err);
	if (r < 0)
		return r;
	if (c->changes.count)
		qsort(c->changes.items, c->changes.count, sizeof(*c->changes.items), by_path);
	*ret = c->changes;
	c->changes = (struct changes){0};
	return 0;
}
