/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's memory in a file: most of its pages are zero, and are neither written nor read. */
#include "container/template_internal.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/hash.h"

#include <errno.h>
#include <fcntl.h>

#define PIECE ((size_t)256 << 10) /* that a cache holds */
#define PAGE  4096

typedef int (*take_fn)(const void *data, size_t size, off_t at, void *context);

static bool is_zero(const char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Calls back for every run of pages that are not zero. */
static int each_run(const char *piece, size_t size, off_t at, take_fn take, void *context)
{
	size_t begin = 0, end = 0;
	int r = 0;

	while (r == 0 && begin < size) {
		while (end < size && !is_zero(piece + end))
			end += PAGE;
		if (end > begin)
			r = take(piece + begin, end - begin, at + (off_t)begin, context);
		begin = end += PAGE;
	}
	return r;
}

/* The same for a file of whole pages; holes are not read. */
static int each_data(int fd, take_fn take, void *context)
{
	_free_ char *piece = xmalloc(PIECE);
	off_t at = 0, end = 0;
	int r = 0;

	while (r == 0) {
		if (at >= end) {
			at = lseek(fd, end, SEEK_DATA);
			if (at < 0)
				return errno == ENXIO ? 0 : -errno;
			end = lseek(fd, at, SEEK_HOLE);
			if (end < 0)
				return -errno;
			at -= at % PAGE;
			end += (PAGE - end % PAGE) % PAGE;
		}
		ssize_t n = pread(fd, piece, MIN(PIECE, (size_t)(end - at)), at);

		if (n <= 0 || n % PAGE)
			return n < 0 ? -errno : -ENODATA;
		r = each_run(piece, (size_t)n, at, take, context);
		at += n;
	}
	return r;
}

static int put_run(const void *data, size_t size, off_t at, void *context)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(*(int *)context, (const char *)data + done, size - done, at + (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* Where a page lies counts as much as what it holds; how the file system parts them into runs does not. */
static int hash_run(const void *data, size_t size, off_t at, void *context)
{
	for (size_t done = 0; done < size; done += PAGE) {
		uint64_t place = (uint64_t)at + done;

		hash_update(context, &place, sizeof(place));
		hash_update(context, (const char *)data + done, PAGE);
	}
	return 0;
}

int template_copy_pages(int from, int to)
{
	return each_data(from, put_run, &to);
}

int template_digest_pages(int fd, char out[DIGEST_SIZE])
{
	_hash_ struct hash hash;
	int r;

	hash_init(&hash);
	r = each_data(fd, hash_run, &hash);
	hash_finish(&hash, out);
	return r;
}
