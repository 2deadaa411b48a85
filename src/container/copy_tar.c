/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive on one side, entries on the other. */
#include "container/copy_tar.h"

#include "base/str.h"
#include "copy/check.h"
#include "image/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_SIZE (1u << 18) /* a block of an archive, too */

/* ---- writing ---- */

struct copy_tar {
	struct archive *archive;
	struct utf8 utf8;
	struct copy_check check;
	uint64_t size, at; /* of the file that is being written */
	uint64_t max, all; /* of all files */
	int fd;
	bool skips; /* nothing is behind fd's offset: what is skipped is a hole */
	uint8_t *zeros;
	bool stopped; /* blocks lead nowhere any more */
};

static int write_failed(struct copy_tar *tar, struct cor_error *err)
{
	int code = archive_errno(tar->archive);

	return cor_fail_errno(err, code > 0 ? code : EIO, "write the archive");
}

static la_ssize_t on_block(struct archive *archive, void *user, const void *data, size_t size)
{
	struct copy_tar *tar = user;
	ssize_t n;

	if (tar->stopped)
		return (la_ssize_t)size;
	/* Blocks are not larger than this. */
	if (tar->skips && size <= PIECE_SIZE && memcmp(data, tar->zeros, size) == 0 &&
	    lseek(tar->fd, (off_t)size, SEEK_CUR) >= 0)
		return (la_ssize_t)size;
	do
		n = write(tar->fd, data, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(archive, errno, "write");
	return n;
}

/* A hole at the end. */
static int on_close(struct archive *archive, void *user)
{
	struct copy_tar *tar = user;

	if (tar->stopped || !tar->skips || ftruncate(tar->fd, lseek(tar->fd, 0, SEEK_CUR)) == 0)
		return ARCHIVE_OK;
	archive_set_error(archive, errno, "write");
	return ARCHIVE_FATAL;
}

static bool can_skip(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(fcntl(fd, F_GETFL) & O_APPEND) &&
	       lseek(fd, 0, SEEK_CUR) >= st.st_size;
}

int copy_tar_create(int fd, const struct copy_tar_options *options, struct copy_tar **ret,
		    struct cor_error *err)
{
	_cleanup_(copy_tar_freep) struct copy_tar *tar = xcalloc(1, sizeof(*tar));
	int r = utf8_enter(&tar->utf8, err);

	if (r < 0)
		return r;
	tar->check.name = options->name;
	tar->max = options->max;
	tar->fd = fd;
	tar->skips = can_skip(fd);
	tar->zeros = xcalloc(1, PIECE_SIZE);
	tar->archive = archive_write_new();
	if (!tar->archive)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "write the archive: out of memory");
	archive_write_set_format_pax_restricted(tar->archive);
	archive_write_set_bytes_per_block(tar->archive, (int)PIECE_SIZE);
	archive_write_set_bytes_in_last_block(tar->archive, 1);
	if (archive_write_open(tar->archive, tar, NULL, on_block, on_close) != ARCHIVE_OK)
		return write_failed(tar, err);
	*ret = steal_ptr(tar);
	return 0;
}

void copy_tar_free(struct copy_tar *tar)
{
	if (!tar)
		return;
	if (tar->archive) {
		/* Nothing more is written: an archive that is not complete must not look as if it were. */
		tar->stopped = true;
		archive_write_free(tar->archive);
	}
	utf8_leave(&tar->utf8);
	copy_check_release(&tar->check);
	free(tar->zeros);
	free(tar);
}

static int put(struct copy_tar *tar, const void *data, size_t size, struct cor_error *err)
{
	if (archive_write_data(tar->archive, data, size) != (la_ssize_t)size)
		return write_failed(tar, err);
	tar->at += size;
	return 0;
}

static int fill_up(struct copy_tar *tar, uint64_t to, struct cor_error *err)
{
	int r = 0;

	while (r == 0 && tar->at < to)
		r = put(tar, tar->zeros, (size_t)MIN((uint64_t)PIECE_SIZE, to - tar->at), err);
	return r;
}

static void fill_header(struct archive_entry *header, const struct copy_entry *entry)
{
	bool folder = S_ISDIR(entry->mode);
	_free_ char *path = str_format("%s%s", *entry->path ? entry->path : ".", folder ? "/" : "");

	archive_entry_set_pathname(header, path);
	archive_entry_set_filetype(header, entry->mode & S_IFMT);
	archive_entry_set_perm(header, entry->mode & 07777);
	archive_entry_set_uid(header, entry->uid);
	archive_entry_set_gid(header, entry->gid);
	archive_entry_set_mtime(header, entry->mtime, (long)entry->mtime_ns);
	archive_entry_set_size(header, 0);
	if (entry->hard_link)
		archive_entry_set_hardlink(header, entry->hard_link);
	else if (S_ISREG(entry->mode))
		archive_entry_set_size(header, (la_int64_t)entry->size);
	else if (S_ISLNK(entry->mode))
		archive_entry_set_symlink(header, entry->target);
	archive_entry_set_rdevmajor(header, entry->major);
	archive_entry_set_rdevminor(header, entry->minor);
	for (size_t i = 0; i < entry->attribute_count; i++)
		archive_entry_xattr_add_entry(header, entry->attributes[i].name, entry->attributes[i].value,
					      entry->attributes[i].size);
}

static int check(struct copy_tar *tar, const struct copy_entry *entry, uint64_t size, struct cor_error *err)
{
	int r = copy_check_name(&tar->check, entry, err);

	r = r ?: copy_check_link(&tar->check, entry, err);
	if (r < 0)
		return r;
	if (size > tar->max - tar->all)
		return cor_fail(
			err, COR_EXHAUSTED, EFBIG,
			"'%.200s' has %" PRIu64 " bytes: no more than %" PRIu64
			" GiB go into an archive, where holes are zeros; copy it to a directory, or keep "
			"it in a volume",
			entry->path, size, tar->max >> 30);
	tar->all += size;
	return 0;
}

static int take_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	struct copy_tar *tar = user;
	uint64_t size = S_ISREG(entry->mode) && !entry->hard_link ? entry->size : 0;
	struct archive_entry *header;
	int r = fill_up(tar, tar->size, err);

	r = r ?: check(tar, entry, size, err);
	if (r < 0)
		return r;
	header = archive_entry_new();
	if (!header)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "write the archive: out of memory");
	fill_header(header, entry);
	tar->size = size;
	tar->at = 0;
	r = archive_write_header(tar->archive, header);
	archive_entry_free(header);
	/* A warning is about names that are not UTF-8, which it writes as they are. */
	return r == ARCHIVE_OK || r == ARCHIVE_WARN ? 0 : write_failed(tar, err);
}

static int take_data(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err)
{
	struct copy_tar *tar = user;
	int r = fill_up(tar, offset, err);

	return r ?: put(tar, data, size, err);
}

struct copy_sink copy_tar_sink(struct copy_tar *tar)
{
	return (struct copy_sink){.entry = take_entry, .data = take_data, .user = tar};
}

int copy_tar_end(struct copy_tar *tar, struct cor_error *err)
{
	int r = fill_up(tar, tar->size, err);

	if (r < 0)
		return r;
	return archive_write_close(tar->archive) == ARCHIVE_OK ? 0 : write_failed(tar, err);
}

/* ---- reading ---- */

struct reading {
	struct archive *archive;
	const struct copy_sink *sink;
};

static void reading_release(struct reading *reading)
{
	archive_read_free(reading->archive);
}

static int read_failed(struct reading *reading, struct cor_error *err)
{
	const char *text = archive_error_string(reading->archive);
	int code = archive_errno(reading->archive);

	if (code == EIO || code == EISDIR || code == EBADF)
		return cor_fail_errno(err, code, "read the archive");
	return cor_fail(err, COR_CORRUPT, EBADMSG, "this is no complete tar archive: %.200s",
			text ? text : "malformed");
}

/* "./a//b/" and "/a/b" are "a/b". The caller's; NULL and an error where it leads out. */
static char *clean_name(const char *name, struct cor_error *err)
{
	_strv_ struct strv parts = {0};
	_free_ char *path = NULL;

	for (const char *p = name ? name : ""; *p;) {
		size_t n = strcspn(p, "/");

		if (n && !(n == 1 && p[0] == '.'))
			strv_take(&parts, xstrndup(p, n));
		p += n + (p[n] == '/');
	}
	path = strv_join(&parts, "/");
	if (copy_path_valid(path))
		return steal_ptr(path);
	cor_fail(err, COR_CORRUPT, EINVAL,
		 "archive entry '%.200s': the name contains '..' or is too long: nothing of it is copied",
		 name);
	return NULL;
}

static size_t read_attributes(struct archive_entry *header, struct copy_attribute *attributes)
{
	size_t count = 0, all = 0;

	archive_entry_xattr_reset(header);
	while (count < COPY_ATTRIBUTES_MAX) {
		struct copy_attribute *a = &attributes[count];

		if (archive_entry_xattr_next(header, &a->name, &a->value, &a->size) != ARCHIVE_OK)
			break;
		if (!a->name || !*a->name || strlen(a->name) > COPY_NAME_MAX || a->size > COPY_VALUE_MAX ||
		    all + a->size > 4 * COPY_VALUE_MAX)
			continue;
		all += a->size;
		count++;
	}
	return count;
}

static int fill_entry(struct archive_entry *header, struct copy_entry *entry, struct cor_error *err)
{
	la_int64_t uid = archive_entry_uid(header), gid = archive_entry_gid(header),
		   size = archive_entry_size(header);
	mode_t type = archive_entry_filetype(header);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX || size < 0 ||
	    archive_entry_rdevmajor(header) > 0xfff || archive_entry_rdevminor(header) > 0xfffff)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"archive entry '%.200s': a number that Linux does not have", entry->path);
	entry->mode = (type ? type : S_IFREG) | (archive_entry_perm(header) & 07777);
	entry->uid = (uint32_t)uid;
	entry->gid = (uint32_t)gid;
	entry->mtime = archive_entry_mtime(header);
	entry->mtime_ns = (uint32_t)archive_entry_mtime_nsec(header);
	entry->size = S_ISREG(entry->mode) && !entry->hard_link ? (uint64_t)size : 0;
	entry->target = archive_entry_symlink(header);
	entry->links = 1;
	if (S_ISLNK(entry->mode) && !entry->hard_link && str_empty(entry->target))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "archive entry '%.200s': a link to nothing",
				entry->path);
	if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode)) {
		entry->major = (uint32_t)archive_entry_rdevmajor(header);
		entry->minor = (uint32_t)archive_entry_rdevminor(header);
	}
	return 0;
}

static int read_contents(struct reading *reading, const struct copy_entry *entry, struct cor_error *err)
{
	const void *data;
	la_int64_t offset;
	size_t size;

	for (;;) {
		int r = archive_read_data_block(reading->archive, &data, &size, &offset);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return read_failed(reading, err);
		if (offset < 0 || (uint64_t)offset > entry->size || size > entry->size - (uint64_t)offset)
			return cor_fail(err, COR_CORRUPT, EBADMSG,
					"archive entry '%.200s': more content than its size says",
					entry->path);
		r = size ? reading->sink->data(reading->sink->user, (uint64_t)offset, data, size, err) : 0;
		if (r < 0)
			return r;
	}
}

static int read_entry(struct reading *reading, struct archive_entry *header, struct cor_error *err)
{
	struct copy_attribute attributes[COPY_ATTRIBUTES_MAX];
	_free_ char *path = clean_name(archive_entry_pathname(header), err), *link = NULL;
	struct copy_entry entry = {.path = path, .attributes = attributes};
	int r;

	if (!path)
		return -EINVAL;
	if (archive_entry_hardlink(header)) {
		link = clean_name(archive_entry_hardlink(header), err);
		if (!link)
			return -EINVAL;
		entry.hard_link = link;
	}
	r = fill_entry(header, &entry, err);
	/* An archive's own top is where it is unpacked; sockets mean nothing. */
	if (r < 0 || S_ISSOCK(entry.mode) || (!*path && !S_ISDIR(entry.mode)))
		return r;
	entry.attribute_count = read_attributes(header, attributes);
	r = reading->sink->entry(reading->sink->user, &entry, err);
	return r < 0 || !entry.size ? r : read_contents(reading, &entry, err);
}

int copy_tar_read(int fd, const struct copy_sink *sink, struct cor_error *err)
{
	_cleanup_(reading_release) struct reading reading = {.archive = archive_read_new(), .sink = sink};
	_utf8_ struct utf8 utf8 = {0};
	struct archive_entry *header;
	int r = utf8_enter(&utf8, err);

	if (r < 0)
		return r;
	if (!reading.archive)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "read the archive: out of memory");
	archive_read_support_filter_gzip(reading.archive);
	archive_read_support_filter_bzip2(reading.archive);
	archive_read_support_filter_xz(reading.archive);
	archive_read_support_filter_zstd(reading.archive);
	archive_read_support_format_tar(reading.archive);
	archive_read_support_format_empty(reading.archive);
	if (archive_read_open_fd(reading.archive, fd, PIECE_SIZE) != ARCHIVE_OK)
		return read_failed(&reading, err);
	while (r == 0) {
		int a = archive_read_next_header(reading.archive, &header);

		if (a == ARCHIVE_EOF)
			return 0;
		if (a != ARCHIVE_OK && a != ARCHIVE_WARN)
			return read_failed(&reading, err);
		r = read_entry(&reading, header, err);
	}
	return r;
}
