/* SPDX-License-Identifier: Apache-2.0 */
#include "image/decompress.h"

#include "base/macro.h"
#include "base/size.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define CONTENT_SIZE 300000u

struct bytes {
	uint8_t *data;
	size_t size;
};

typedef int compress_fn(struct archive *);

/* Half of it can be compressed. */
static void fill(uint8_t *data, size_t size)
{
	uint32_t state = 1;

	for (size_t i = 0; i < size; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = i / 1000 % 2 ? (uint8_t)(state >> 24) : (uint8_t)(i / 1000);
	}
}

static void pack(struct bytes *to, compress_fn *compress, const void *data, size_t size)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t room = size * 2 + 4096, used = 0;

	to->data = xreallocarray(to->data, to->size + room, 1);
	archive_write_set_format_raw(a);
	compress(a);
	archive_write_set_bytes_in_last_block(a, 1);
	assert_int_equal(archive_write_open_memory(a, to->data + to->size, room, &used), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, size), size);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	archive_entry_free(entry);
	to->size += used;
}

/* Gives its bytes in pieces of one size, so that what belongs together comes apart. */
struct pieces {
	const uint8_t *data;
	size_t size, at, piece;
};

static int pieces_read(void *userdata, void *data, size_t size, size_t *ret_size, struct cor_error *err)
{
	struct pieces *p = userdata;

	size = MIN(size, p->piece);
	*ret_size = MIN(size, p->size - p->at);
	memcpy(data, p->data + p->at, *ret_size);
	p->at += *ret_size;
	return 0;
}

static int unpack(const struct bytes *from, size_t piece, size_t ask, struct bytes *ret,
		  struct cor_error *err)
{
	struct pieces pieces = {.data = from->data, .size = from->size, .piece = piece};
	struct source source = {.read = pieces_read, .userdata = &pieces};
	_cleanup_(decompress_freep) struct decompress *d = decompress_new(&source);
	size_t got;
	int r;

	*ret = (struct bytes){.data = xmalloc(4 * CONTENT_SIZE)};
	do {
		r = decompress_read(d, ret->data + ret->size, MIN(ask, 4 * CONTENT_SIZE - ret->size), &got,
				    err);
		if (r < 0)
			return r;
		ret->size += got;
	} while (got);
	return 0;
}

static compress_fn *const filters[] = {archive_write_add_filter_none, archive_write_add_filter_gzip,
				       archive_write_add_filter_zstd};

/* However the bytes come and are asked for. */
static void test_all_bytes_come(void **state)
{
	static const size_t pieces[] = {1, 3, 7, 4096, 4 * CONTENT_SIZE},
			    asks[] = {1000, 65536, CONTENT_SIZE};
	_free_ uint8_t *content = xmalloc(CONTENT_SIZE);

	fill(content, CONTENT_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		struct bytes packed = {0};

		pack(&packed, filters[i], content, CONTENT_SIZE);
		for (size_t j = 0; j < ARRAY_SIZE(pieces) * ARRAY_SIZE(asks); j++) {
			struct bytes back;

			assert_int_equal(unpack(&packed, pieces[j / ARRAY_SIZE(asks)],
						asks[j % ARRAY_SIZE(asks)], &back, NULL),
					 0);
			assert_int_equal(back.size, CONTENT_SIZE);
			assert_memory_equal(back.data, content, CONTENT_SIZE);
			free(back.data);
		}
		free(packed.data);
	}
}

/* gzip files and zstd frames put one behind the other are one, as pigz, zstd -T and seekable layers make them. */
static void test_members(void **state)
{
	static const size_t sizes[] = {0, 1, 70000, 0, 130000};
	_free_ uint8_t *content = xmalloc(CONTENT_SIZE);

	fill(content, CONTENT_SIZE);
	for (size_t i = 1; i < ARRAY_SIZE(filters); i++) {
		struct bytes packed = {0};
		size_t whole = 0;

		for (size_t j = 0; j < ARRAY_SIZE(sizes); whole += sizes[j++])
			pack(&packed, filters[i], content + whole, sizes[j]);
		for (size_t piece = 1; piece < 40; piece++) {
			struct bytes back;

			assert_int_equal(unpack(&packed, piece, 65536, &back, NULL), 0);
			assert_int_equal(back.size, whole);
			assert_memory_equal(back.data, content, whole);
			free(back.data);
		}
		free(packed.data);
	}
}

static int unpack_all(const struct bytes *from, struct cor_error *err)
{
	struct bytes back;
	int r;

	*err = (struct cor_error){0};
	r = unpack(from, 4096, 65536, &back, err);
	free(back.data);
	return r;
}

/* Wherever the file ends too early, it is found; what ends between two members is whole. */
static void test_cut_off(void **state)
{
	_free_ uint8_t *content = xmalloc(CONTENT_SIZE);

	fill(content, CONTENT_SIZE);
	for (size_t i = 1; i < ARRAY_SIZE(filters); i++) {
		struct bytes packed = {0};
		struct cor_error err;

		pack(&packed, filters[i], content, 5000);
		for (size_t whole = packed.size; packed.size-- > MAX(4u, whole - 300);) {
			assert_int_equal(unpack_all(&packed, &err), -EBADMSG);
			assert_int_equal(err.status, COR_CORRUPT);
			assert_non_null(strstr(err.msg, "cut off"));
		}
		free(packed.data);
	}
}

static void test_what_follows(void **state)
{
	_free_ uint8_t *content = xmalloc(CONTENT_SIZE);

	fill(content, CONTENT_SIZE);
	for (size_t i = 1; i < ARRAY_SIZE(filters); i++) {
		struct bytes packed = {0};
		struct cor_error err;

		pack(&packed, filters[i], content, 5000);
		packed.data = xreallocarray(packed.data, packed.size + 20000, 1);
		memset(packed.data + packed.size, 0, 20000);
		packed.size += 20000;
		assert_int_equal(unpack_all(&packed, &err), 0);
		packed.data[packed.size - 1] = 'x';
		assert_int_equal(unpack_all(&packed, &err), -EBADMSG);
		assert_non_null(strstr(err.msg, "follows"));
		free(packed.data);
	}
}

static void test_checksum(void **state)
{
	struct bytes packed = {0};
	struct cor_error err;
	uint8_t content[5000];

	fill(content, sizeof(content));
	pack(&packed, archive_write_add_filter_gzip, content, sizeof(content));
	packed.data[packed.size - 8] ^= 1;
	assert_int_equal(unpack_all(&packed, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "checksum"));
	packed.data[packed.size - 8] ^= 1;
	packed.data[packed.size - 1] ^= 1;
	assert_int_equal(unpack_all(&packed, &err), -EBADMSG);
	free(packed.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_bytes_come), cmocka_unit_test(test_members),
		cmocka_unit_test(test_cut_off),        cmocka_unit_test(test_what_follows),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
