/* SPDX-License-Identifier: Apache-2.0 */
/* One layer: a stream of uncompressed bytes, hashed on the way (stream.h), and libarchive, which reads it as a tar. Nothing is trusted: names are
 * resolved by the tree, contents go to the disk image, sizes are capped. Of names, only the bytes count: the reader runs in a UTF-8 locale of its
 * own, in which libarchive leaves them alone. */
#include "image/layer.h"

#include "base/size.h"
#include "base/str.h"
#include "image/utf8.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>

#define XATTR_VALUE_MAX 4096u /* more does not fit into a block */
#define XATTRS_MAX      256u  /* nor do more */
#define LINK_TARGET_MAX 4095u
#define PADDING_MAX     (64 * MIB) /* tar pads to some KiB */
#define WHITEOUT        ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

struct layer_reader {
	struct stream *stream;
	uint64_t *budget;
	struct archive *tar;
	struct cor_error failure; /* of the stream, once it failed */
	struct tree *tree;
	struct ext4 *disk;
	unsigned layer;
	size_t xattr_bytes;
};

static void reader_release(struct layer_reader *reader)
{
	archive_read_free(reader->tar);
}

static int corrupt(struct cor_error *err, const char *path, const char *why)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "layer entry '%.200s': %s", path, why);
}

static int tar_fail(struct layer_reader *reader, const char *what, struct cor_error *err)
{
	const char *text = archive_error_string(reader->tar);

	if (reader->failure.status != COR_OK)
		return cor_fail(err, reader->failure.status, reader->failure.err, "%s", reader->failure.msg);
	if (archive_errno(reader->tar) == ENOMEM)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "%s: out of memory", what);
	return cor_fail(err, COR_CORRUPT, EBADMSG, "%.200s: %s", what, text ? text : "malformed");
}

static int too_large(struct cor_error *err)
{
	return cor_fail(err, COR_CORRUPT, EFBIG,
			"the image's layers are too large when uncompressed: %llu GiB is the limit",
			(unsigned long long)(LAYERS_BUDGET / GIB));
}

/* The limit holds whatever the compression's ratio is: a bomb ends here. */
static int read_piece(struct stream *stream, uint64_t *budget, const void **ret, size_t *ret_size,
		      struct cor_error *err)
{
	int r = stream_read(stream, ret, ret_size, err);

	if (r < 0)
		return r;
	if (*ret_size > *budget)
		return too_large(err);
	*budget -= *ret_size;
	return 0;
}

static la_ssize_t read_stream(struct archive *a, void *userdata, const void **ret)
{
	struct layer_reader *reader = userdata;
	size_t size;

	if (read_piece(reader->stream, reader->budget, ret, &size, &reader->failure) < 0) {
		archive_set_error(a, EBADMSG, "%s", reader->failure.msg);
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t)size;
}

static int reader_open(struct layer_reader *reader, struct cor_error *err)
{
	reader->tar = archive_read_new();
	if (!reader->tar)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "read a layer: out of memory");
	archive_read_support_format_tar(reader->tar);
	archive_read_support_format_empty(reader->tar);
	if (archive_read_open(reader->tar, reader, NULL, read_stream, NULL) != ARCHIVE_OK)
		return tar_fail(reader, "the layer is no tar archive", err);
	return 0;
}

/* Only those that Linux knows on ext4; others have no meaning in the guest. */
static bool xattr_known(const char *name)
{
	return str_after(name, "user.") || str_after(name, "trusted.") || str_after(name, "security.") ||
	       str_equal(name, "system.posix_acl_access") || str_equal(name, "system.posix_acl_default");
}

static int read_xattrs(struct layer_reader *reader, struct archive_entry *entry, const char *path,
		       struct inode *inode, struct cor_error *err)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !xattr_known(name))
			continue;
		if (strlen(name) > 255 || size > XATTR_VALUE_MAX || inode->xattr_count == XATTRS_MAX)
			return cor_fail(err, COR_UNSUPPORTED, E2BIG,
					"layer entry '%.200s': extended attribute '%.60s' is one too many or "
					"too large",
					path, name);
		reader->xattr_bytes += strlen(name) + size;
		if (reader->xattr_bytes > 256 * MIB)
			return cor_fail(err, COR_UNSUPPORTED, E2BIG,
					"the layer has too many extended attributes");
		inode_set_xattr(inode, name, value, size);
	}
	return 0;
}

static int read_content(struct layer_reader *reader, const char *path, struct inode *inode,
			struct cor_error *err)
{
	const void *data;
	la_int64_t offset;
	size_t size;
	int r;

	for (;;) {
		r = archive_read_data_block(reader->tar, &data, &size, &offset);
		if (r == ARCHIVE_EOF)
			return ext4_end_content(reader->disk, inode, err);
		if (r != ARCHIVE_OK)
			return tar_fail(reader, path, err);
		if (offset < 0 || (uint64_t)offset > inode->size || size > inode->size - (uint64_t)offset)
			return corrupt(err, path, "more content than its size says");
		r = size ? ext4_add_content(reader->disk, inode, (uint64_t)offset, data, size, err) : 0;
		if (r < 0)
			return cor_context(err, r, "layer entry '%.200s'", path);
	}
}

static int fill_by_type(struct layer_reader *reader, struct archive_entry *entry, const char *path,
			struct inode *inode, struct cor_error *err)
{
	const char *target;

	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		if (archive_entry_size(entry) < 0)
			return corrupt(err, path, "a negative size");
		inode->size = (uint64_t)archive_entry_size(entry);
		if (inode->size > UINT64_C(0xfffffffe) * 4096)
			return cor_fail(err, COR_UNSUPPORTED, EFBIG,
					"layer entry '%.200s': larger than 16 TiB", path);
		/* Told before all of it has come. Of a sparse file only the data comes. */
		if (inode->size > *reader->budget && archive_entry_sparse_count(entry) == 0) {
			too_large(err);
			return cor_context(err, -EFBIG, "layer entry '%.200s'", path);
		}
		return read_content(reader, path, inode, err);
	case S_IFLNK:
		target = archive_entry_symlink(entry);
		if (str_empty(target) || strlen(target) > LINK_TARGET_MAX)
			return corrupt(err, path, "a symbolic link with a bad target");
		inode->target = xstrdup(target);
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		if (archive_entry_rdevmajor(entry) > 0xfff || archive_entry_rdevminor(entry) > 0xfffff)
			return corrupt(err, path, "a device number that Linux does not have");
		inode->major = (uint32_t)archive_entry_rdevmajor(entry);
		inode->minor = (uint32_t)archive_entry_rdevminor(entry);
		return 0;
	case S_IFDIR:
	case S_IFIFO:
		return 0;
	default:
		return corrupt(err, path, "a file of a kind that a layer cannot hold");
	}
}

static int read_inode(struct layer_reader *reader, struct archive_entry *entry, const char *path,
		      struct inode **ret, struct cor_error *err)
{
	_cleanup_(inode_freep) struct inode *inode = NULL;
	la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
	mode_t type = archive_entry_filetype(entry);
	int r;

	if (uid < 0 || uid > UINT32_MAX - 1 || gid < 0 || gid > UINT32_MAX - 1)
		return corrupt(err, path, "an owner that Linux does not have");
	/* Linux knows no permissions of links. */
	inode = inode_new((type ? type : S_IFREG) |
			  (type == AE_IFLNK ? 0777 : archive_entry_perm(entry) & 07777));
	inode->uid = (uint32_t)uid;
	inode->gid = (uint32_t)gid;
	inode->mtime = archive_entry_mtime(entry);
	inode->mtime_ns = (uint32_t)archive_entry_mtime_nsec(entry);
	inode->atime = archive_entry_atime_is_set(entry) ? archive_entry_atime(entry) : inode->mtime;
	inode->atime_ns = archive_entry_atime_is_set(entry) ? (uint32_t)archive_entry_atime_nsec(entry)
							    : inode->mtime_ns;
	r = read_xattrs(reader, entry, path, inode, err);
	if (r == 0)
		r = fill_by_type(reader, entry, path, inode, err);
	if (r == 0)
		*ret = steal_ptr(inode);
	return r;
}

/* 1 if the entry was a whiteout and was dealt with. */
static int apply_whiteout(struct layer_reader *reader, const char *path, struct cor_error *err)
{
	_free_ char *copy = xstrdup(path), *target = NULL;
	const char *hidden;
	char *last;
	int r;

	for (size_t n = strlen(copy); n && copy[n - 1] == '/';)
		copy[--n] = '\0';
	last = strrchr(copy, '/');
	last = last ? last + 1 : copy;
	hidden = str_after(last, WHITEOUT);
	if (!hidden)
		return 0;
	if (strcmp(last, WHITEOUT_OPAQUE) == 0) {
		*last = '\0';
		r = tree_make_opaque(reader->tree, copy, reader->layer, err);
		return r < 0 ? r : 1;
	}
	if (str_after(last, WHITEOUT_META))
		return 1; /* what AUFS kept for itself */
	if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		return corrupt(err, path, "a whiteout of nothing");
	target = str_format("%.*s%s", (int)(last - copy), copy, hidden);
	r = tree_remove_lower(reader->tree, target, reader->layer, err);
	return r < 0 ? r : 1;
}

static int apply_entry(struct layer_reader *reader, struct archive_entry *entry, struct cor_error *err)
{
	const char *path = archive_entry_pathname(entry), *target = archive_entry_hardlink(entry);
	struct inode *inode = NULL;
	int r;

	if (str_empty(path))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the layer has an entry without a name");
	r = apply_whiteout(reader, path, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (target)
		return tree_link(reader->tree, path, target, reader->layer, err);
	r = read_inode(reader, entry, path, &inode, err);
	return r < 0 ? r : tree_put(reader->tree, path, inode, reader->layer, err);
}

/* Reads to the end: padding behind the archive counts for the digest. */
static int drain(struct stream *stream, uint64_t *budget, uint64_t max, struct cor_error *err)
{
	uint64_t all = 0;
	const void *rest;
	size_t size;
	int r;

	do {
		r = read_piece(stream, budget, &rest, &size, err);
		all += size;
		if (r == 0 && all > max)
			return cor_fail(err, COR_CORRUPT, EFBIG,
					"the layer has more than %llu MiB behind the end of its tar archive",
					(unsigned long long)(max / MIB));
	} while (r == 0 && size);
	return r;
}

static int apply_entries(struct layer_reader *reader, struct cor_error *err)
{
	struct archive_entry *entry;
	int r;

	for (;;) {
		r = archive_read_next_header(reader->tar, &entry);
		if (r == ARCHIVE_EOF)
			break;
		/* Warnings are about words that cannot be converted, and we want their bytes. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return tar_fail(reader, "the layer's tar archive is broken", err);
		r = apply_entry(reader, entry, err);
		if (r < 0)
			return r;
	}
	return drain(reader->stream, reader->budget, PADDING_MAX, err);
}

static int check_digest(const struct stream *stream, const char *diff_id, struct cor_error *err)
{
	const char *digest = stream_digest(stream);

	if (diff_id && strcmp(digest, diff_id) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the layer's content has digest %s, its image's configuration says %s",
				digest, diff_id);
	return 0;
}

int layer_apply(struct stream *stream, const char *diff_id, unsigned layer, struct tree *tree,
		struct ext4 *disk, uint64_t *budget, struct cor_error *err)
{
	_cleanup_(reader_release) struct layer_reader reader = {
		.stream = stream, .budget = budget, .tree = tree, .disk = disk, .layer = layer};
	_utf8_ struct utf8 utf8 = {0};
	int r = utf8_enter(&utf8, err);

	r = r ?: reader_open(&reader, err);
	r = r ?: apply_entries(&reader, err);
	return r ?: check_digest(stream, diff_id, err);
}

int layer_verify(struct stream *stream, const char *diff_id, uint64_t *budget, struct cor_error *err)
{
	int r = drain(stream, budget, UINT64_MAX, err);

	return r ?: check_digest(stream, diff_id, err);
}
