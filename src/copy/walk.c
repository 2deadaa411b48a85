/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of folders, each with the names that are still to be visited. Only the innermost ones are kept open: a tree may be deeper than a process may have
 * descriptors, and an outer one is found again by its path. Files with several names are remembered by their numbers, so that the second name becomes a link;
 * of more than a process should remember, the names become files of their own. */
#include "copy/walk.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/str.h"
#include "copy/message.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define OPEN_MAX_LEVELS 128
#define MQUEUE_MAGIC    0x19800202ul /* of Linux's ipc/mqueue.c, which no header tells */
#define LINKS_BYTES_MAX (64u << 20)
#define NAMES_MAX       (256u << 20) /* bytes of one folder's names */
#define VALUES_MAX      (256u << 10) /* bytes of all values of one file */
#define CAPABILITY      "security.capability"
#define RANGE_MIN       (64u << 10) /* less is read */
#define RANGE_MAX       (4u << 20)

struct level {
	int fd;          /* -1: closed, to be opened again */
	char *names;     /* one after the other, each with its NUL */
	uint32_t *order; /* where each begins, sorted */
	size_t count, next;
	size_t path_size; /* of the folder's own path in walker.path */
};

/* A file with several names. */
struct seen {
	dev_t device;
	ino_t inode;
	char *path;
};

struct walker {
	const struct copy_walk *walk;
	int top; /* the folder that everything is in, for finding a level again; -1 where the top is no folder */
	struct level *levels;
	size_t depth, capacity;
	char path[COPY_PATH_MAX + 1]; /* of the entry, with the walk's name before it */
	size_t prefix;                /* how much of it the walk's name takes */
	uint64_t number;              /* of the next entry */
	struct seen *seen;            /* a hash table, open addressing */
	size_t seen_count, seen_capacity, seen_bytes;
	uint8_t *piece;
	uint8_t *values;
	struct copy_attribute attributes[COPY_ATTRIBUTES_MAX];
	char names[XATTR_LIST_MAX];
};

static void level_release(struct level *level)
{
	close_fd(&level->fd);
	free(level->names);
	free(level->order);
}

static void walker_free(struct walker *walker)
{
	if (!walker)
		return;
	while (walker->depth)
		level_release(&walker->levels[--walker->depth]);
	for (size_t i = 0; i < walker->seen_capacity; i++)
		free(walker->seen[i].path);
	close_fd(&walker->top);
	free(walker->seen);
	free(walker->levels);
	free(walker->piece);
	free(walker->values);
	free(walker);
}
DEFINE_CLEANUP(struct walker *, walker_free)

static int fail(const struct walker *walker, int error, struct cor_error *err)
{
	return cor_fail_errno(err, error, "'%.256s'", walker->path[0] ? walker->path : ".");
}

/* What was removed while we walked was never there; what the walk was asked for has to be. */
static int lost(const struct walker *walker, int error, struct cor_error *err)
{
	return walker->depth && (error == ENOENT || error == ESTALE) ? 0 : fail(walker, error, err);
}

/* ---- files with several names ---- */

static struct seen *slot_of(const struct walker *walker, dev_t device, ino_t inode)
{
	uint64_t hash = ((uint64_t)inode ^ (uint64_t)device << 40) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 20) & (walker->seen_capacity - 1);

	while (walker->seen[i].path && (walker->seen[i].inode != inode || walker->seen[i].device != device))
		i = (i + 1) & (walker->seen_capacity - 1);
	return &walker->seen[i];
}

static void grow_seen(struct walker *walker)
{
	struct seen *old = walker->seen;
	size_t count = walker->seen_capacity;

	walker->seen_capacity = count ? 2 * count : 256;
	walker->seen = xcalloc(walker->seen_capacity, sizeof(*walker->seen));
	for (size_t i = 0; i < count; i++)
		if (old[i].path)
			*slot_of(walker, old[i].device, old[i].inode) = old[i];
	free(old);
}

/* The path under which the file was met first; NULL if that is now. */
static const char *meet(struct walker *walker, const struct stat *st)
{
	struct seen *slot;

	if (st->st_nlink < 2 || walker->walk->only_metadata)
		return NULL;
	if (walker->seen_count * 2 >= walker->seen_capacity)
		grow_seen(walker);
	slot = slot_of(walker, st->st_dev, st->st_ino);
	if (slot->path || walker->seen_bytes > LINKS_BYTES_MAX)
		return slot->path;
	*slot = (struct seen){st->st_dev, st->st_ino, xstrdup(walker->path)};
	walker->seen_count++;
	walker->seen_bytes += sizeof(*slot) + strlen(slot->path);
	return NULL;
}

/* ---- one entry ---- */

void copy_entry_fill(struct copy_entry *entry, const struct stat *st, bool details)
{
	*entry = (struct copy_entry){
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
		.links = (uint32_t)st->st_nlink,
	};
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		entry->major = major(st->st_rdev);
		entry->minor = minor(st->st_rdev);
	}
	if (details) {
		entry->inode = st->st_ino;
		entry->ctime = st->st_ctim.tv_sec;
		entry->ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
	}
}

static bool is_wanted(struct walker *walker)
{
	uint64_t number = walker->number++;

	return !walker->walk->wanted || (number / 8 < walker->walk->wanted_size &&
					 walker->walk->wanted[number / 8] & 1u << number % 8);
}

static void add_attribute(struct walker *walker, int fd, const char *name, size_t *used,
			  struct copy_entry *entry)
{
	size_t room = MIN(VALUES_MAX - *used, (size_t)COPY_VALUE_MAX);
	ssize_t size = fgetxattr(fd, name, walker->values + *used, room);

	if (size < 0 || strlen(name) > COPY_NAME_MAX || entry->attribute_count == COPY_ATTRIBUTES_MAX)
		return;
	walker->attributes[entry->attribute_count++] =
		(struct copy_attribute){name, walker->values + *used, (size_t)size};
	*used += (size_t)size;
}

/* Those that a file system cannot tell, it does not have. What makes up an overlay is none of the tree's. */
static void read_attributes(struct walker *walker, int fd, struct copy_entry *entry)
{
	size_t used = 0;
	ssize_t size;

	entry->attributes = walker->attributes;
	if (walker->walk->attributes == COPY_NO_ATTRIBUTES)
		return;
	if (walker->walk->attributes == COPY_CAPABILITIES) {
		if (S_ISREG(entry->mode))
			add_attribute(walker, fd, CAPABILITY, &used, entry);
		return;
	}
	size = flistxattr(fd, walker->names, sizeof(walker->names));
	for (const char *name = walker->names; size > 0 && name < walker->names + size;
	     name += strlen(name) + 1)
		if (!str_after(name, "trusted.overlay."))
			add_attribute(walker, fd, name, &used, entry);
}

static int give(struct walker *walker, struct copy_entry *entry, struct cor_error *err)
{
	entry->path = walker->path;
	return walker->walk->sink.entry(walker->walk->sink.user, entry, err);
}

/* Reads from..to, or up to where the file now ends. */
static int give_range(struct walker *walker, int fd, uint64_t from, uint64_t to, struct cor_error *err)
{
	const struct copy_sink *sink = &walker->walk->sink;

	for (int r; sink->range && to - from >= RANGE_MIN; from += MIN(to - from, (uint64_t)RANGE_MAX)) {
		/* The disk works while the pieces before are on their way. */
		r = sink->range(sink->user, from, fd, (size_t)MIN(to - from, (uint64_t)RANGE_MAX), err);
		if (r < 0)
			return r;
	}
	while (from < to) {
		ssize_t n = pread(fd, walker->piece, (size_t)MIN((uint64_t)COPY_PIECE_MAX, to - from),
				  (off_t)from);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? fail(walker, errno, err) : 0;
		r = sink->data(sink->user, from, walker->piece, (size_t)n, err);
		if (r < 0)
			return r;
		from += (uint64_t)n;
	}
	return 0;
}

/* Holes are not read where the file system knows them. */
static int give_contents(struct walker *walker, int fd, const struct stat *st, struct cor_error *err)
{
	uint64_t size = (uint64_t)st->st_size;
	off_t at = 0;
	int r = 0;

	if (!walker->piece)
		walker->piece = xmalloc(COPY_PIECE_MAX);
	if ((uint64_t)st->st_blocks * 512 >= size)
		return give_range(walker, fd, 0, size, err);
	while (r == 0 && (uint64_t)at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0)
			return errno == ENXIO ? 0 : give_range(walker, fd, (uint64_t)at, size, err);
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return give_range(walker, fd, (uint64_t)data, size, err);
		r = give_range(walker, fd, (uint64_t)data, MIN((uint64_t)hole, size), err);
		at = hole;
	}
	return r;
}

/* 1 where it is no file any more: to be looked at again. */
static int visit_file(struct walker *walker, int dir, const char *name, struct cor_error *err)
{
	/* What has become a fifo or a device meanwhile does not keep us waiting. */
	_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct copy_entry entry;
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? 1 : lost(walker, errno, err);
	if (fstat(fd, &st) < 0)
		return fail(walker, errno, err);
	if (!S_ISREG(st.st_mode))
		return 1;
	if (!is_wanted(walker))
		return 0;
	copy_entry_fill(&entry, &st, walker->walk->details);
	entry.hard_link = meet(walker, &st);
	if (!entry.hard_link)
		read_attributes(walker, fd, &entry);
	r = give(walker, &entry, err);
	if (r < 0 || entry.hard_link || walker->walk->only_metadata)
		return r;
	return give_contents(walker, fd, &st, err);
}

static int visit_link(struct walker *walker, int dir, const char *name, const struct stat *st,
		      struct cor_error *err)
{
	char target[COPY_PATH_MAX + 1];
	struct copy_entry entry;
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return errno == EINVAL ? 1 : lost(walker, errno, err);
	if ((size_t)n == sizeof(target))
		return fail(walker, ENAMETOOLONG, err);
	target[n] = '\0';
	if (!is_wanted(walker))
		return 0;
	copy_entry_fill(&entry, st, walker->walk->details);
	entry.target = target;
	entry.hard_link = meet(walker, st);
	return give(walker, &entry, err);
}

static int visit_other(struct walker *walker, const struct stat *st, struct cor_error *err)
{
	struct copy_entry entry;

	if (!is_wanted(walker))
		return 0;
	copy_entry_fill(&entry, st, walker->walk->details);
	entry.hard_link = meet(walker, st);
	return give(walker, &entry, err);
}

/* ---- folders ---- */

static int read_names(struct level *level)
{
	_fd_ int own = fcntl(level->fd, F_DUPFD_CLOEXEC, 3);
	_dir_ DIR *dir = own < 0 ? NULL : fdopendir(own);
	_buffer_ struct buffer names = {0};
	struct dirent *found;
	size_t capacity = 0;

	if (!dir)
		return -errno;
	steal_fd(&own);
	while (errno = 0, (found = readdir(dir))) {
		if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
			continue;
		if (buffer_size(&names) > NAMES_MAX)
			return -EFBIG;
		if (level->count == capacity) {
			capacity = capacity ? 2 * capacity : 32;
			level->order = xreallocarray(level->order, capacity, sizeof(*level->order));
		}
		level->order[level->count++] = (uint32_t)buffer_size(&names);
		buffer_append(&names, found->d_name, strlen(found->d_name) + 1);
	}
	if (errno)
		return -errno;
	level->names = level->count ? xmemdup(buffer_bytes(&names), buffer_size(&names)) : NULL;
	return 0;
}

static int by_name(const void *a, const void *b, void *names)
{
	return strcmp((const char *)names + *(const uint32_t *)a, (const char *)names + *(const uint32_t *)b);
}

/* What the kernel shows of itself holds nothing that could be kept, and much that cannot be read. Who asks for it by name gets it. */
static bool is_kernels_own(const struct walker *walker, int fd)
{
	static const unsigned long types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP2_SUPER_MAGIC,
					      DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC};
	struct statfs fs;

	if (!walker->depth || fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((unsigned long)fs.f_type == types[i])
			return true;
	return false;
}

static int push(struct walker *walker, int fd, struct cor_error *err)
{
	bool skip = is_kernels_own(walker, fd);
	struct level *level;
	int r;

	if (walker->depth == walker->capacity) {
		walker->capacity = walker->capacity ? 2 * walker->capacity : 16;
		walker->levels = xreallocarray(walker->levels, walker->capacity, sizeof(*walker->levels));
	}
	level = &walker->levels[walker->depth++];
	*level = (struct level){.fd = fd, .path_size = strlen(walker->path)};
	r = skip ? 0 : read_names(level);
	if (r < 0)
		return fail(walker, r, err);
	if (level->count)
		qsort_r(level->order, level->count, sizeof(*level->order), by_name, level->names);
	if (walker->depth > OPEN_MAX_LEVELS)
		close_fd(&walker->levels[walker->depth - 1 - OPEN_MAX_LEVELS].fd);
	return 0;
}

static int visit_folder(struct walker *walker, int dir, const char *name, struct cor_error *err)
{
	_fd_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct copy_entry entry;
	struct stat st;
	int r = 0;

	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR ? 1 : lost(walker, errno, err);
	if (fstat(fd, &st) < 0)
		return fail(walker, errno, err);
	if (is_wanted(walker)) {
		copy_entry_fill(&entry, &st, walker->walk->details);
		read_attributes(walker, fd, &entry);
		r = give(walker, &entry, err);
	}
	if (r < 0)
		return r;
	if (walker->top < 0)
		walker->top = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return push(walker, steal_fd(&fd), err);
}

/* ---- the walk ---- */

static int visit_once(struct walker *walker, int dir, const char *name, struct cor_error *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return lost(walker, errno, err);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return visit_file(walker, dir, name, err);
	case S_IFDIR:
		return visit_folder(walker, dir, name, err);
	case S_IFLNK:
		return visit_link(walker, dir, name, &st, err);
	case S_IFSOCK:
		return 0;
	default:
		return visit_other(walker, &st, err);
	}
}

/* What changes its kind between two looks is looked at again, but not for ever. */
static int visit(struct walker *walker, int dir, const char *name, struct cor_error *err)
{
	int r = 1;

	for (int tries = 0; r > 0 && tries < 10; tries++)
		r = visit_once(walker, dir, name, err);
	return r > 0 ? fail(walker, EBUSY, err) : r;
}

/* A level's own folder, open. */
static int level_fd(struct walker *walker, struct level *level)
{
	_free_ char *path = NULL;
	size_t skip = walker->prefix + (walker->prefix && walker->path[walker->prefix] == '/');

	if (level->fd >= 0)
		return level->fd;
	path = xstrndup(walker->path + skip, level->path_size - skip);
	level->fd = open_beneath(walker->top, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
	return level->fd;
}

static int visit_next(struct walker *walker, struct level *level, struct cor_error *err)
{
	const char *name = level->names + level->order[level->next++];
	size_t n = strlen(name), at = level->path_size;
	int fd;

	walker->path[at] = '\0';
	if (at + 1 + n > COPY_PATH_MAX)
		return cor_fail(err, COR_UNSUPPORTED, ENAMETOOLONG, "'%.200s…': the path is too long",
				walker->path);
	fd = level_fd(walker, level);
	if (fd < 0)
		return lost(walker, -fd, err);
	if (at)
		walker->path[at++] = '/';
	memcpy(walker->path + at, name, n + 1);
	return visit(walker, fd, name, err);
}

int copy_walk(int dir, const char *last, const struct copy_walk *walk, struct cor_error *err)
{
	_cleanup_(walker_freep) struct walker *walker = xcalloc(1, sizeof(*walker));
	int r;

	walker->top = -1;
	walker->walk = walk;
	if (strlen(walk->name) > COPY_PATH_MAX)
		return cor_fail(err, COR_INVALID, ENAMETOOLONG, "'%.64s…': the name is too long", walk->name);
	strcpy(walker->path, walk->name);
	walker->prefix = strlen(walk->name);
	if (walk->attributes != COPY_NO_ATTRIBUTES)
		walker->values = xmalloc(VALUES_MAX);
	r = visit(walker, dir, last, err);
	while (r == 0 && walker->depth) {
		struct level *level = &walker->levels[walker->depth - 1];

		if (level->next < level->count)
			r = visit_next(walker, level, err);
		else
			level_release(&walker->levels[--walker->depth]);
	}
	return r;
}
