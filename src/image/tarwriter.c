/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive, with everything left out that could differ: times, owners, padding. */
#include "image/tarwriter.h"

#include "base/str.h"
#include "image/utf8.h"
#include "oci/hash.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#define PIECE_SIZE (1u << 18)

struct tarwriter {
	struct archive *archive;
	uint8_t *piece;
	struct utf8 utf8;
};

static int failed(struct tarwriter *writer, struct cor_error *err)
{
	int code = archive_errno(writer->archive);

	return cor_fail_errno(err, code > 0 ? code : EIO, "write the archive");
}

void tarwriter_free(struct tarwriter *writer)
{
	if (!writer)
		return;
	if (writer->archive)
		archive_write_free(writer->archive);
	utf8_leave(&writer->utf8);
	free(writer->piece);
	free(writer);
}

int tarwriter_open(int fd, struct tarwriter **ret, struct cor_error *err)
{
	_cleanup_(tarwriter_freep) struct tarwriter *writer = xcalloc(1, sizeof(*writer));
	int r = utf8_enter(&writer->utf8, err);

	if (r < 0)
		return r;
	writer->archive = archive_write_new();
	if (!writer->archive)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "write the archive: out of memory");
	writer->piece = xmalloc(PIECE_SIZE);
	/* Plain ustar, but for files that it cannot hold: those of more than 8 GiB. */
	archive_write_set_format_pax_restricted(writer->archive);
	archive_write_set_bytes_per_block(writer->archive, (int)PIECE_SIZE);
	archive_write_set_bytes_in_last_block(writer->archive, 1);
	if (archive_write_open_fd(writer->archive, fd) != ARCHIVE_OK)
		return failed(writer, err);
	*ret = steal_ptr(writer);
	return 0;
}

static int begin(struct tarwriter *writer, const char *path, unsigned type, unsigned mode, uint64_t size,
		 struct cor_error *err)
{
	struct archive_entry *entry = archive_entry_new();
	int r;

	if (!entry)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "write the archive: out of memory");
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, mode);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_mtime(entry, 0, 0);
	r = archive_write_header(writer->archive, entry);
	archive_entry_free(entry);
	return r == ARCHIVE_OK ? 0 : failed(writer, err);
}

static int put(struct tarwriter *writer, const void *data, size_t size, struct cor_error *err)
{
	return archive_write_data(writer->archive, data, size) == (la_ssize_t)size ? 0 : failed(writer, err);
}

int tarwriter_folder(struct tarwriter *writer, const char *path, struct cor_error *err)
{
	return begin(writer, path, AE_IFDIR, 0755, 0, err);
}

int tarwriter_text(struct tarwriter *writer, const char *path, const char *text, size_t size,
		   struct cor_error *err)
{
	int r = begin(writer, path, AE_IFREG, 0644, size, err);

	return r ?: put(writer, text, size, err);
}

int tarwriter_file(struct tarwriter *writer, const char *path, int fd, uint64_t size, const char *digest,
		   struct cor_error *err)
{
	char found[DIGEST_SIZE];
	_hash_ struct hash hash;
	int r = begin(writer, path, AE_IFREG, 0644, size, err);

	hash_init(&hash);
	for (uint64_t at = 0; r == 0 && at < size;) {
		ssize_t n = pread(fd, writer->piece, (size_t)MIN((uint64_t)PIECE_SIZE, size - at), (off_t)at);

		if (n <= 0)
			return cor_fail_errno(err, n < 0 ? errno : EIO, "read %s", digest);
		hash_update(&hash, writer->piece, (size_t)n);
		r = put(writer, writer->piece, (size_t)n, err);
		at += (uint64_t)n;
	}
	if (r < 0)
		return r;
	hash_finish(&hash, found);
	if (strcmp(found, digest) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"%s in the image store is damaged: remove the image and load it again",
				digest);
	return 0;
}

int tarwriter_finish(struct tarwriter *writer, struct cor_error *err)
{
	return archive_write_close(writer->archive) == ARCHIVE_OK ? 0 : failed(writer, err);
}
