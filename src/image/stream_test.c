/* SPDX-License-Identifier: Apache-2.0 */
#include "image/stream.h"

#include "base/file.h"
#include "base/size.h"
#include "base/str.h"
#include "image/hash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Bytes that tell their place. */
static uint8_t *pattern(size_t size)
{
	uint8_t *data = xmalloc(size + 1);

	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	return data;
}

static int open_bytes(const void *data, size_t size, uint64_t max, struct stream **ret, struct cor_error *err)
{
	_fd_ int fd = memfd_with("stream", data, size);
	int r;

	assert_true(fd >= 0);
	r = stream_open(fd, max, ret, err);
	return r < 0 ? r : steal_fd(&fd);
}

static void test_all_bytes_come(void **state)
{
	static const size_t sizes[] = {1, 1000, 262143, 262144, 262145, 5000000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_free_ uint8_t *data = pattern(sizes[i]);
		struct stream *stream = NULL;
		char digest[DIGEST_SIZE];
		const void *piece;
		size_t size, at = 0;
		int fd = open_bytes(data, sizes[i], sizes[i], &stream, NULL);

		for (;;) {
			assert_int_equal(stream_read(stream, &piece, &size, NULL), 0);
			if (!size)
				break;
			assert_memory_equal(piece, data + at, size);
			at += size;
		}
		assert_int_equal(at, sizes[i]);
		hash_bytes(data, sizes[i], digest);
		assert_string_equal(stream_digest(stream), digest);
		assert_true(stream_size(stream) == sizes[i]);
		/* The end stays the end. */
		assert_int_equal(stream_read(stream, &piece, &size, NULL), 0);
		assert_int_equal(size, 0);
		stream_free(stream);
		close(fd);
	}
}

/* Whoever has had enough does not wait for the rest, wherever the thread is. */
static void test_left_in_the_middle(void **state)
{
	_free_ uint8_t *data = pattern(20 * MIB);

	for (unsigned reads = 0; reads < 12; reads++) {
		struct stream *stream = NULL;
		const void *piece;
		size_t size;
		int fd = open_bytes(data, 20 * MIB, GIB, &stream, NULL);

		for (unsigned i = 0; i < reads; i++)
			assert_int_equal(stream_read(stream, &piece, &size, NULL), 0);
		stream_free(stream);
		close(fd);
	}
}

static int read_all(struct stream *stream, struct cor_error *err)
{
	const void *piece;
	size_t size;
	int r;

	do
		r = stream_read(stream, &piece, &size, err);
	while (r == 0 && size);
	return r;
}

static void test_limit(void **state)
{
	_free_ uint8_t *data = pattern(MIB);
	struct stream *stream = NULL;
	struct cor_error err = {0};
	int fd = open_bytes(data, MIB, MIB - 1, &stream, NULL);

	assert_int_equal(read_all(stream, &err), -EFBIG);
	assert_int_equal(err.status, COR_CORRUPT);
	/* A failure stays too. */
	assert_int_equal(read_all(stream, &err), -EFBIG);
	stream_free(stream);
	close(fd);
}

static void test_broken(void **state)
{
	/* The head of a gzip file, and then nothing that it could be. */
	static const uint8_t bytes[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,
					0,    3,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct stream *stream = NULL;
	struct cor_error err = {0};
	int fd = open_bytes(bytes, sizeof(bytes), MIB, &stream, &err);

	if (fd >= 0)
		assert_true(read_all(stream, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	stream_free(stream);
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_bytes_come),
		cmocka_unit_test(test_left_in_the_middle),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
