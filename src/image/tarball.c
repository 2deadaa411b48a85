/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving an archive. Only regular files and links are kept; a directory says nothing that we need, and a device or a fifo has no business in it. */
#include "image/tarball.h"

#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "base/str.h"
#include "image/utf8.h"
#include "oci/hash.h"
#include "oci/manifest.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define READ_SIZE  (1u << 20)
#define PATH_BYTES 4096u
#define LINKS_MAX  8

struct receiver {
	struct archive *archive;
	int dir;
	struct tarball contents;
	size_t capacity;
};

static void receiver_release(struct receiver *receiver)
{
	archive_read_free(receiver->archive);
	tarball_release(&receiver->contents);
}

void tarball_release(struct tarball *contents)
{
	for (size_t i = 0; i < contents->count; i++) {
		free(contents->items[i].path);
		free(contents->items[i].target);
	}
	free(contents->items);
	*contents = (struct tarball){0};
}

static int broken(struct cor_error *err, struct archive *a, const char *what)
{
	const char *text = archive_error_string(a);
	int code = archive_errno(a);

	if (code == ENOMEM)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "%s: out of memory", what);
	if (code == EIO || code == EISDIR || code == EBADF)
		return cor_fail_errno(err, code, "%s", what);
	return cor_fail(err, COR_CORRUPT, EBADMSG, "%s: %.200s: is the file complete?", what,
			text ? text : "malformed");
}

/* ---- names ---- */

/* Appends the parts of path to *parts; ".." takes one away. -EINVAL where it leads out. */
static int append_parts(struct strv *parts, const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (!parts->count)
				return -EINVAL;
			free(parts->items[--parts->count]);
			parts->items[parts->count] = NULL;
		} else if (n && !(n == 1 && p[0] == '.')) {
			strv_take(parts, xstrndup(p, n));
		}
		p += n + (p[n] == '/');
	}
	return 0;
}

/* The one spelling of a name. */
static int clean_path(const char *path, char **ret, struct cor_error *err)
{
	_strv_ struct strv parts = {0};

	if (str_empty(path) || strlen(path) > PATH_BYTES)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the archive holds an entry whose name is empty or too long");
	/* No tool writes such names, so whoever did meant harm. */
	if (path[0] == '/')
		return cor_fail(err, COR_CORRUPT, EINVAL, "archive entry '%.200s': the path is absolute",
				path);
	for (const char *p = strstr(path, ".."); p; p = strstr(p + 1, ".."))
		if ((p == path || p[-1] == '/') && (p[2] == '/' || !p[2]))
			return cor_fail(err, COR_CORRUPT, EINVAL,
					"archive entry '%.200s': the path contains '..'", path);
	append_parts(&parts, path);
	*ret = strv_join(&parts, "/");
	return 0;
}

/* Where a symbolic link at `path` leads. */
static int resolve_link(const char *path, const char *target, char **ret, struct cor_error *err)
{
	_strv_ struct strv parts = {0};
	const char *slash = strrchr(path, '/');
	_free_ char *folder = xstrndup(path, slash ? (size_t)(slash - path) : 0);

	if (str_empty(target) || strlen(target) > PATH_BYTES || target[0] == '/' ||
	    append_parts(&parts, folder) < 0 || append_parts(&parts, target) < 0)
		return cor_fail(err, COR_CORRUPT, EINVAL,
				"archive entry '%.200s': the link leads out of the archive", path);
	*ret = strv_join(&parts, "/");
	return 0;
}

/* ---- receiving ---- */

static struct tarball_member *new_member(struct receiver *receiver, char *path)
{
	struct tarball *c = &receiver->contents;
	struct tarball_member *member;

	if (c->count == receiver->capacity) {
		receiver->capacity = receiver->capacity ? receiver->capacity * 2 : 64;
		c->items = xreallocarray(c->items, receiver->capacity, sizeof(*c->items));
	}
	member = &c->items[c->count];
	*member = (struct tarball_member){.path = path};
	snprintf(member->file, sizeof(member->file), "%zu", c->count++);
	return member;
}

static int write_content(struct receiver *receiver, struct tarball_member *member, uint64_t declared, int fd,
			 struct cor_error *err)
{
	_hash_ struct hash hash;
	const void *data;
	la_int64_t offset;
	size_t size;

	hash_init(&hash);
	for (;;) {
		int r = archive_read_data_block(receiver->archive, &data, &size, &offset);

		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return broken(err, receiver->archive, member->path);
		/* A sparse file could claim petabytes of zeros, which we would have to hash. */
		if (offset < 0 || (uint64_t)offset != member->size || size > declared - member->size)
			return cor_fail(err, COR_CORRUPT, EBADMSG, "archive entry '%.200s': a sparse file",
					member->path);
		hash_update(&hash, data, size);
		r = fd_write_all(fd, data, size);
		if (r < 0)
			return cor_fail_errno(err, r, "write '%.200s' of the archive", member->path);
		member->size += size;
	}
	if (member->size != declared)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "archive entry '%.200s': it is cut off",
				member->path);
	hash_finish(&hash, member->digest);
	return 0;
}

static int receive_file(struct receiver *receiver, struct archive_entry *entry, struct tarball_member *member,
			struct cor_error *err)
{
	_fd_ int fd = -1;

	if (archive_entry_size(entry) < 0 || archive_entry_size(entry) > DESCRIPTOR_SIZE_MAX)
		return cor_fail(err, COR_CORRUPT, EFBIG, "archive entry '%.200s': its size makes no sense",
				member->path);
	fd = openat(receiver->dir, member->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cor_fail_errno(err, errno, "write '%.200s' of the archive", member->path);
	return write_content(receiver, member, (uint64_t)archive_entry_size(entry), fd, err);
}

static int receive_entry(struct receiver *receiver, struct archive_entry *entry, struct cor_error *err)
{
	const char *hard_link = archive_entry_hardlink(entry);
	mode_t type = archive_entry_filetype(entry);
	struct tarball_member *member;
	char *path = NULL;
	int r = clean_path(archive_entry_pathname(entry), &path, err);

	if (r < 0)
		return r;
	if (!*path || (!hard_link && type != AE_IFREG && type != AE_IFLNK)) {
		free(path);
		return 0;
	}
	if (receiver->contents.count == TARBALL_MEMBERS_MAX) {
		free(path);
		return cor_fail(err, COR_CORRUPT, E2BIG, "the archive holds more than %u files",
				TARBALL_MEMBERS_MAX);
	}
	member = new_member(receiver, path);
	if (hard_link)
		return clean_path(hard_link, &member->target, err);
	if (type == AE_IFLNK)
		return resolve_link(path, archive_entry_symlink(entry), &member->target, err);
	return receive_file(receiver, entry, member, err);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct tarball_member *)a)->path, ((const struct tarball_member *)b)->path);
}

static int sort_members(struct tarball *c, struct cor_error *err)
{
	if (c->count)
		qsort(c->items, c->count, sizeof(*c->items), by_path);
	for (size_t i = 1; i < c->count; i++)
		if (strcmp(c->items[i - 1].path, c->items[i].path) == 0)
			return cor_fail(err, COR_CORRUPT, EEXIST, "the archive holds '%.200s' twice",
					c->items[i].path);
	return 0;
}

static int receive_all(struct receiver *receiver, int fd, struct cor_error *err)
{
	struct archive_entry *entry;
	int r;

	archive_read_support_filter_gzip(receiver->archive);
	archive_read_support_filter_zstd(receiver->archive);
	archive_read_support_format_tar(receiver->archive);
	archive_read_support_format_empty(receiver->archive);
	if (archive_read_open_fd(receiver->archive, fd, READ_SIZE) != ARCHIVE_OK)
		return broken(err, receiver->archive, "the archive cannot be read");
	for (;;) {
		r = archive_read_next_header(receiver->archive, &entry);
		if (r == ARCHIVE_EOF)
			break;
		/* A warning is about words that cannot be converted, and we want their bytes. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return broken(err, receiver->archive, "this is no complete tar archive");
		r = receive_entry(receiver, entry, err);
		if (r < 0)
			return r;
	}
	if (!receiver->contents.count)
		return cor_fail(err, COR_CORRUPT, ENODATA,
				"the archive is empty: give one that 'docker save', 'podman save' or 'skopeo "
				"copy' wrote");
	return sort_members(&receiver->contents, err);
}

int tarball_receive(int fd, int dir, struct tarball *ret, struct cor_error *err)
{
	_cleanup_(receiver_release) struct receiver receiver = {.archive = archive_read_new(), .dir = dir};
	_utf8_ struct utf8 utf8 = {0};
	int r = utf8_enter(&utf8, err);

	if (r < 0)
		return r;
	if (!receiver.archive)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "read the archive: out of memory");
	r = receive_all(&receiver, fd, err);
	if (r < 0)
		return r;
	*ret = receiver.contents;
	ret->dir = dir;
	receiver.contents = (struct tarball){0};
	return 0;
}

/* ---- finding ---- */

static const struct tarball_member *find(const struct tarball *contents, const char *path)
{
	struct tarball_member key = {.path = (char *)(uintptr_t)path};

	return contents->count ? bsearch(&key, contents->items, contents->count, sizeof(key), by_path) : NULL;
}

const struct tarball_member *tarball_find_file(const struct tarball *contents, const char *path)
{
	const struct tarball_member *member = find(contents, path);

	return member && !member->target ? member : NULL;
}

const struct tarball_member *tarball_find(const struct tarball *contents, const char *path)
{
	const struct tarball_member *member = find(contents, path);

	for (int links = 0; member && member->target; links++)
		member = links < LINKS_MAX ? find(contents, member->target) : NULL;
	return member;
}

int tarball_find_blob(const struct tarball *contents, const char *digest, uint64_t size,
		      const struct tarball_member **ret, struct cor_error *err)
{
	_free_ char *path = str_format("blobs/sha256/%s", digest_hex(digest));
	const struct tarball_member *member = tarball_find_file(contents, path);

	if (!member)
		return cor_fail(err, COR_CORRUPT, ENOENT, "the archive lacks %s", path);
	if (strcmp(member->digest, digest) != 0)
		return cor_fail(
			err, COR_CORRUPT, EBADMSG,
			"%s in the archive has the digest %s: it is damaged or forged, so fetch it again",
			path, member->digest);
	if (member->size != size)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"%s in the archive has %" PRIu64 " bytes, and %" PRIu64
				" were announced: fetch it again",
				path, member->size, size);
	*ret = member;
	return 0;
}

int tarball_read_json(const struct tarball *contents, const struct tarball_member *member, size_t max,
		      json_t **ret, struct cor_error *err)
{
	_free_ char *text = NULL;
	json_error_t error;
	json_t *document;
	size_t size;
	int r = file_read(contents->dir, member->file, max, &text, &size);

	if (r == -EFBIG)
		return cor_fail(err, COR_CORRUPT, EFBIG, "'%.200s' in the archive is too large",
				member->path);
	if (r < 0)
		return cor_fail_errno(err, r, "read '%.200s' of the archive", member->path);
	document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "'%.200s' in the archive is no JSON: line %d: %s",
				member->path, error.line, error.text);
	*ret = document;
	return 0;
}
