/* SPDX-License-Identifier: Apache-2.0 */
#include "image/stream.h"

#include "base/file.h"
#include "base/size.h"
#include "base/str.h"
#include "oci/hash.h"

#include <errno.h>
#include <pthread.h>
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

static struct stream *open_bytes(const void *data, size_t size)
{
	struct stream *stream = NULL;
	int fd = memfd_with("stream", data, size);

	assert_true(fd >= 0);
	assert_int_equal(stream_open(source_fd(fd), &stream, NULL), 0);
	return stream;
}

static void test_all_bytes_come(void **state)
{
	static const size_t sizes[] = {1, 1000, 262143, 262144, 262145, 5000000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_free_ uint8_t *data = pattern(sizes[i]);
		struct stream *stream = open_bytes(data, sizes[i]);
		char digest[DIGEST_SIZE];
		const void *piece;
		size_t size, at = 0;

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
	}
}

/* Whoever has had enough does not wait for the rest, wherever the thread is. */
static void test_left_in_the_middle(void **state)
{
	_free_ uint8_t *data = pattern(20 * MIB);

	for (unsigned reads = 0; reads < 12; reads++) {
		struct stream *stream = open_bytes(data, 20 * MIB);
		const void *piece;
		size_t size;

		for (unsigned i = 0; i < reads; i++)
			assert_int_equal(stream_read(stream, &piece, &size, NULL), 0);
		stream_free(stream);
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

static void test_broken(void **state)
{
	/* The head of a gzip file, and then nothing that it could be. */
	static const uint8_t bytes[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,
					0,    3,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct stream *stream = open_bytes(bytes, sizeof(bytes));
	struct cor_error err = {0};

	assert_int_equal(read_all(stream, &err), -EBADMSG);
	assert_int_equal(err.status, COR_CORRUPT);
	/* A failure stays. */
	assert_int_equal(read_all(stream, &err), -EBADMSG);
	stream_free(stream);
}

/* A source that waits until it is told to stop. */
struct waiting {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stopped, released;
};

static int waiting_read(void *userdata, void *data, size_t size, size_t *ret_size, struct cor_error *err)
{
	struct waiting *w = userdata;

	pthread_mutex_lock(&w->mutex);
	while (!w->stopped)
		pthread_cond_wait(&w->changed, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
	return -ECANCELED;
}

static void waiting_stop(void *userdata)
{
	struct waiting *w = userdata;

	pthread_mutex_lock(&w->mutex);
	w->stopped = true;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->mutex);
}

static void waiting_release(void *userdata)
{
	((struct waiting *)userdata)->released = true;
}

static void test_source_that_waits_is_stopped(void **state)
{
	struct waiting w = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct source source = {
		.read = waiting_read, .stop = waiting_stop, .release = waiting_release, .userdata = &w};
	struct stream *stream;

	assert_int_equal(stream_open(source, &stream, NULL), 0);
	stream_free(stream);
	assert_true(w.released);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_bytes_come),
		cmocka_unit_test(test_left_in_the_middle),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_source_that_waits_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
