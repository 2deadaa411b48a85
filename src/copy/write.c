/* SPDX-License-Identifier: Apache-2.0 */
/* A folder gets its permissions and times when an entry comes that is not below it, since
 * what is written into it changes its times, and it may not be writable for its owner. */
#include "copy/write.h"

#include "base/file.h"
#include "base/str.h"
#include "copy/check.h"
#include "copy/mailbox.h"
#include "copy/place.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define SET_IDS      (mode_t)(S_ISUID | S_ISGID)
#define ZEROS_MIN    4096u /* as many at once are not written */
#define OPEN_FOLDERS 128u

/* A folder whose attributes are still to be set. */
struct folder {
	char *path;
	int fd;                  /* -1: it is so far out that it was closed */
	struct copy_entry entry; /* of which path and attributes are not kept */
};

struct copy_writer {
	struct copy_writing how;
	struct copy_place place;
	/* The file that is being written; of its entry only what is kept here is good. */
	int file;
	char *path;
	struct copy_entry entry;
	struct copy_attribute *attributes;
	uint64_t end;           /* of what was written */
	struct folder *folders; /* each below the one before */
	size_t folder_count, folder_capacity;
	struct copy_check check;
	uint64_t entries, bytes, left_out;
};

struct copy_writer *copy_writer_new(int dir, const struct copy_writing *how)
{
	struct copy_writer *writer = xcalloc(1, sizeof(*writer));

	*writer = (struct copy_writer){.how = *how, .file = -1};
	copy_place_init(&writer->place, dir, how->hostile);
	writer->check.name = xstrdup(how->name ? how->name : "");
	return writer;
}

static void forget_attributes(struct copy_writer *writer)
{
	for (size_t i = 0; writer->attributes && i < writer->entry.attribute_count; i++) {
		free((char *)(uintptr_t)writer->attributes[i].name);
		free((void *)(uintptr_t)writer->attributes[i].value);
	}
	free(writer->attributes);
	writer->attributes = NULL;
}

void copy_writer_free(struct copy_writer *writer)
{
	if (!writer)
		return;
	for (size_t i = 0; i < writer->folder_count; i++) {
		free(writer->folders[i].path);
		close_fd(&writer->folders[i].fd);
	}
	copy_place_release(&writer->place);
	close_fd(&writer->file);
	forget_attributes(writer);
	free(writer->path);
	free(writer->folders);
	free((char *)(uintptr_t)writer->check.name);
	copy_check_release(&writer->check);
	free(writer);
}

/* ---- attributes ---- */

static mode_t permissions(const struct copy_writer *writer, const struct copy_entry *entry)
{
	/* A file that an ordinary user writes is his own, whatever the entry says: with the bit, others would become him by a program that is not his. */
	bool keep = !writer->how.hostile || (writer->how.owners == COPY_OWNERS_KEPT && geteuid() == 0);

	return entry->mode & 07777 & ~(keep ? 0 : SET_IDS);
}

/* An ordinary user cannot give files away. */
static int give_away(const struct copy_writer *writer, int fd, const struct copy_entry *entry)
{
	bool kept = writer->how.owners == COPY_OWNERS_KEPT;
	int r;

	if (writer->how.owners == COPY_OWNERS_MINE)
		return 0;
	r = fchownat(fd, "", kept ? entry->uid : 0, kept ? entry->gid : 0, AT_EMPTY_PATH);
	return r < 0 && !(kept && errno == EPERM && geteuid() != 0) ? -errno : 0;
}

/* One that the file system does not take is left out. */
static int put_attributes(const struct copy_writer *writer, int fd, const struct copy_entry *entry)
{
	for (size_t i = 0; i < entry->attribute_count; i++) {
		const struct copy_attribute *a = &entry->attributes[i];

		if (writer->how.hostile && !str_after(a->name, "user."))
			continue;
		if (fsetxattr(fd, a->name, a->value, a->size, 0) < 0 && errno != EOPNOTSUPP &&
		    errno != EPERM && errno != ENOTSUP)
			return -errno;
	}
	return 0;
}

static int set_times(int fd, int64_t mtime, uint32_t mtime_ns)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = mtime, .tv_nsec = mtime_ns}};

	return futimens(fd, times) < 0 ? -errno : 0;
}

/* ---- folders ---- */

static int complete_folder(struct copy_writer *writer, struct folder *folder, struct cor_error *err)
{
	_free_ char *path = folder->path;
	_fd_ int fd = folder->fd >= 0
			      ? folder->fd
			      : copy_place_open(&writer->place, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	int r = fd < 0 ? fd : 0;

	/* Only now: its owner may put something else under a name that we are about to change. */
	r = r ?: give_away(writer, fd, &folder->entry);
	if (r == 0 && fchmod(fd, permissions(writer, &folder->entry)) < 0)
		r = -errno;
	r = r ?: set_times(fd, folder->entry.mtime, folder->entry.mtime_ns);
	return r < 0 ? copy_place_fail(r, path, err) : 0;
}

/* Those that `path` is not below; NULL: all. */
static int complete_folders(struct copy_writer *writer, const char *path, struct cor_error *err)
{
	while (writer->folder_count) {
		struct folder *last = &writer->folders[writer->folder_count - 1];
		int r;

		if (path && copy_path_below(path, last->path) && strcmp(path, last->path) != 0)
			return 0;
		writer->folder_count--;
		r = complete_folder(writer, last, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Takes over fd. */
static void remember_folder(struct copy_writer *writer, int fd, const struct copy_entry *entry)
{
	if (writer->folder_count >= OPEN_FOLDERS)
		close_fd(&writer->folders[writer->folder_count - OPEN_FOLDERS].fd);
	if (writer->folder_count == writer->folder_capacity) {
		writer->folder_capacity = writer->folder_capacity ? 2 * writer->folder_capacity : 16;
		writer->folders =
			xreallocarray(writer->folders, writer->folder_capacity, sizeof(*writer->folders));
	}
	writer->folders[writer->folder_count++] = (struct folder){
		.path = xstrdup(entry->path),
		.fd = fd,
		.entry = *entry,
	};
}

static int put_folder(struct copy_writer *writer, int parent, const struct copy_entry *entry,
		      struct cor_error *err)
{
	const char *name = copy_path_last(entry->path);
	_fd_ int fd = -1;
	struct stat st;
	int r;

	/* Our own until it is complete. */
	if (mkdirat(parent, name, 0700) < 0) {
		if (errno != EEXIST)
			return copy_place_fail(errno, entry->path, err);
		if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return copy_place_fail(errno, entry->path, err);
		if (!S_ISDIR(st.st_mode))
			return cor_fail(err, COR_BUSY, ENOTDIR,
					"'%.256s' is no directory, and what would replace it is one",
					entry->path);
		if (writer->how.hostile)
			return 0;
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return copy_place_fail(errno, entry->path, err);
	r = put_attributes(writer, fd, entry);
	if (r < 0)
		return copy_place_fail(r, entry->path, err);
	remember_folder(writer, steal_fd(&fd), entry);
	return 0;
}

/* ---- the other kinds ---- */

static int put_hard_link(struct copy_writer *writer, int parent, const struct copy_entry *entry,
			 struct cor_error *err)
{
	_free_ char *above = NULL;
	_fd_ int dir = -1;
	const char *last = copy_path_last(entry->hard_link);
	int r;

	if (strcmp(entry->path, entry->hard_link) == 0)
		return 0;
	above = xstrndup(entry->hard_link,
			 last > entry->hard_link ? (size_t)(last - entry->hard_link) - 1 : 0);
	dir = copy_place_open(&writer->place, above, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return copy_place_fail(dir, entry->hard_link, err);
	r = copy_place_clear(parent, entry->path, err);
	if (r < 0)
		return r;
	return linkat(dir, last, parent, copy_path_last(entry->path), 0) < 0
		       ? copy_place_fail(errno, entry->path, err)
		       : 0;
}

/* What is set once the contents are there: writing takes capabilities away. */
static void remember_file(struct copy_writer *writer, const struct copy_entry *entry)
{
	free(writer->path);
	forget_attributes(writer);
	writer->path = xstrdup(entry->path);
	writer->end = 0;
	writer->entry = *entry;
	if (entry->attribute_count)
		writer->attributes = xcalloc(entry->attribute_count, sizeof(*writer->attributes));
	for (size_t i = 0; i < entry->attribute_count; i++) {
		const struct copy_attribute *a = &entry->attributes[i];

		writer->attributes[i] = (struct copy_attribute){
			xstrdup(a->name), a->size ? xmemdup(a->value, a->size) : NULL, a->size};
	}
	writer->entry.attributes = writer->attributes;
}

static int put_file(struct copy_writer *writer, int parent, const struct copy_entry *entry,
		    struct cor_error *err)
{
	const char *name = copy_path_last(entry->path);
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, r = 0;

	writer->file = openat(parent, name, flags, 0600);
	if (writer->file < 0 && errno == EEXIST) {
		r = copy_place_clear(parent, entry->path, err);
		if (r < 0)
			return r;
		writer->file = openat(parent, name, flags, 0600);
	}
	if (writer->file < 0)
		return copy_place_fail(errno, entry->path, err);
	r = give_away(writer, writer->file, entry);
	if (r < 0)
		return copy_place_fail(r, entry->path, err);
	remember_file(writer, entry);
	return 0;
}

static int complete_file(struct copy_writer *writer, struct cor_error *err)
{
	const struct copy_entry *entry = &writer->entry;
	_fd_ int fd = steal_fd(&writer->file);
	int r = 0;

	if (fd < 0)
		return 0;
	/* What nothing covers is a hole. */
	if (writer->end < entry->size && ftruncate(fd, (off_t)entry->size) < 0)
		return copy_place_fail(errno, writer->path, err);
	if (fchmod(fd, permissions(writer, entry)) < 0)
		return copy_place_fail(errno, writer->path, err);
	r = put_attributes(writer, fd, entry);
	r = r ?: set_times(fd, entry->mtime, entry->mtime_ns);
	return r < 0 ? copy_place_fail(r, writer->path, err) : 0;
}

/* Such files are not opened, so that the mode is right from the start, as far as the process's umask lets it be; what has the name afterwards is held and looked at, since in
 * a folder that a sender comes back to others may rename. */
static int make_node(const struct copy_writer *writer, int parent, const char *name,
		     const struct copy_entry *entry)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    {.tv_sec = entry->mtime, .tv_nsec = entry->mtime_ns}};
	mode_t mode = (entry->mode & S_IFMT) | permissions(writer, entry);
	_fd_ int fd = -1;
	struct stat st;
	int r;

	if (S_ISLNK(entry->mode))
		r = symlinkat(entry->target, parent, name);
	else
		r = mknodat(parent, name, mode, makedev(entry->major, entry->minor));
	if (r < 0)
		return -errno;
	fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != (entry->mode & S_IFMT))
		return -EEXIST;
	r = give_away(writer, fd, entry);
	return r < 0 || utimensat(fd, "", times, AT_EMPTY_PATH) == 0 ? r : -errno;
}

static int put_node(struct copy_writer *writer, int parent, const struct copy_entry *entry,
		    struct cor_error *err)
{
	int r = copy_place_clear(parent, entry->path, err);

	if (r < 0)
		return r;
	r = make_node(writer, parent, copy_path_last(entry->path), entry);
	return r < 0 ? copy_place_fail(r, entry->path, err) : 0;
}

/* ---- the sink ---- */

static int put_top(const struct copy_entry *entry, struct cor_error *err)
{
	/* It is there, and stays as it is. */
	return S_ISDIR(entry->mode) ? 0 : cor_fail(err, COR_CORRUPT, ENOTDIR, "what came is no directory");
}

static int take_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	struct copy_writer *writer = user;
	int r = complete_file(writer, err), parent;

	r = r ?: complete_folders(writer, entry->path, err);
	r = r ?: copy_check_name(&writer->check, entry, err);
	if (r < 0)
		return r;
	writer->entries++;
	if (!*entry->path)
		return put_top(entry, err);
	/* Under each of its names. */
	if (writer->how.hostile && (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))) {
		writer->left_out++;
		return 0;
	}
	r = writer->how.hostile ? copy_check_link(&writer->check, entry, err) : 0;
	if (r < 0)
		return r;
	parent = copy_place_parent(&writer->place, entry->path, err);
	if (parent < 0)
		return parent;
	if (entry->hard_link)
		return put_hard_link(writer, parent, entry, err);
	switch (entry->mode & S_IFMT) {
	case S_IFREG:
		return put_file(writer, parent, entry, err);
	case S_IFDIR:
		return put_folder(writer, parent, entry, err);
	default:
		return put_node(writer, parent, entry, err);
	}
}

static bool all_zeros(const uint8_t *data, size_t size)
{
	return size >= ZEROS_MIN && data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* How much was written so: what was not, for whatever reason, is left to the usual way. */
static size_t put_direct(const struct copy_writer *writer, uint64_t offset, const uint8_t *data, size_t size)
{
	size_t whole = size - size % MAILBOX_ALIGN, done = 0;
	ssize_t n = 1;

	if (!writer->how.direct || size < MAILBOX_MIN || offset % MAILBOX_ALIGN ||
	    (uintptr_t)data % MAILBOX_ALIGN || fcntl(writer->file, F_SETFL, O_DIRECT) < 0)
		return 0;
	while (n > 0 && done < whole) {
		n = pwrite(writer->file, data + done, whole - done, (off_t)(offset + done));
		done += n > 0 ? (size_t)n : 0;
	}
	fcntl(writer->file, F_SETFL, 0);
	return done;
}

static int take_data(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err)
{
	struct copy_writer *writer = user;
	const uint8_t *p = data;
	size_t direct;

	writer->bytes += size;
	if (all_zeros(data, size))
		return 0;
	writer->end = offset + size;
	direct = put_direct(writer, offset, p, size);
	p += direct;
	offset += direct;
	size -= direct;
	while (size) {
		ssize_t n = pwrite(writer->file, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return copy_place_fail(n < 0 ? errno : ENOSPC, writer->path, err);
		p += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

struct copy_sink copy_writer_sink(struct copy_writer *writer)
{
	return (struct copy_sink){.entry = take_entry, .data = take_data, .user = writer};
}

int copy_writer_end(struct copy_writer *writer, struct cor_error *err)
{
	int r = complete_file(writer, err);

	return r ?: complete_folders(writer, NULL, err);
}

uint64_t copy_writer_entries(const struct copy_writer *writer)
{
	return writer->entries;
}

uint64_t copy_writer_bytes(const struct copy_writer *writer)
{
	return writer->bytes;
}

uint64_t copy_writer_left_out(const struct copy_writer *writer)
{
	return writer->left_out;
}
