/* SPDX-License-Identifier: Apache-2.0 */
#include "image/fetch.h"

#include "base/macro.h"
#include "base/str.h"

#include <errno.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SIZE 300000u

struct place {
	char path[32];
	int fd;
	struct image_store *store;
	struct workspace work;
	uint8_t content[SIZE];
	char digest[DIGEST_SIZE];
};

static int setup(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	strcpy(p->path, "/tmp/fetch_test.XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(image_store_open(p->fd, &p->store, NULL), 0);
	assert_int_equal(workspace_open(p->store, &p->work, NULL), 0);
	for (size_t i = 0; i < SIZE; i++)
		p->content[i] = (uint8_t)(i ^ i >> 8);
	hash_bytes(p->content, SIZE, p->digest);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	workspace_release(&p->work);
	image_store_free(p->store);
	close(p->fd);
	tree_remove(AT_FDCWD, p->path);
	free(p);
	return 0;
}

#define _fetch_ _cleanup_(fetch_release)

static void init(struct fetch *f, const struct place *p, uint64_t size)
{
	fetch_init(f, p->store, p->work.fd, p->digest, size);
}

static enum fetch_begun begin(struct fetch *f)
{
	enum fetch_begun begun = FETCH_BUSY;
	struct cor_error err = {0};

	if (fetch_begin(f, &begun, &err) < 0)
		fail_msg("%s", err.msg);
	return begun;
}

static void complete(struct fetch *f, const struct place *p)
{
	assert_int_equal(begin(f), FETCH_OURS);
	assert_int_equal(fetch_add(f, p->content + f->there, SIZE - f->there, NULL), 0);
	assert_int_equal(fetch_end(f, NULL), 0);
}

static bool exists(int dir, const struct place *p)
{
	return faccessat(dir, digest_hex(p->digest), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_content(int dir, const struct place *p)
{
	_free_ char *data = NULL;
	size_t size;

	assert_int_equal(file_read(dir, digest_hex(p->digest), SIZE, &data, &size), 0);
	assert_int_equal(size, SIZE);
	assert_memory_equal(data, p->content, SIZE);
}

/* Nothing has a name in the folder of the pull before it is whole; what is whole cannot be written. */
static void test_whole(void **state)
{
	const struct place *p = *state;
	_fetch_ struct fetch f;
	struct stat st;

	init(&f, p, SIZE);
	assert_int_equal(begin(&f), FETCH_OURS);
	assert_int_equal(fetch_add(&f, p->content, SIZE, NULL), 0);
	assert_false(exists(p->work.fd, p));
	assert_int_equal(fetch_end(&f, NULL), 0);
	assert_content(p->work.fd, p);
	assert_int_equal(fstatat(p->work.fd, digest_hex(p->digest), &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	fetch_published(&f);
	assert_false(exists(p->store->partial, p));
}

static void test_continued(void **state)
{
	const struct place *p = *state;

	for (unsigned part = 1; part <= 3; part++) {
		_fetch_ struct fetch f;

		init(&f, p, SIZE);
		assert_int_equal(begin(&f), FETCH_OURS);
		assert_int_equal(f.there, (part - 1) * 1000);
		assert_int_equal(fetch_add(&f, p->content + f.there, 1000, NULL), 0);
	}
	_fetch_ struct fetch last;
	init(&last, p, SIZE);
	complete(&last, p);
	assert_content(p->work.fd, p);
}

static void assert_corrupt(int r, const struct cor_error *err)
{
	assert_true(r < 0);
	assert_int_equal(err->status, COR_CORRUPT);
}

static void test_wrong_digest(void **state)
{
	const struct place *p = *state;
	_fetch_ struct fetch f, again;
	struct cor_error err = {0};

	init(&f, p, SIZE);
	assert_int_equal(begin(&f), FETCH_OURS);
	assert_int_equal(fetch_add(&f, p->content + 1, SIZE - 1, NULL), 0);
	assert_int_equal(fetch_add(&f, p->content, 1, NULL), 0);
	assert_corrupt(fetch_end(&f, &err), &err);
	assert_false(exists(p->store->partial, p));
	assert_false(exists(p->work.fd, p));
	init(&again, p, SIZE);
	complete(&again, p);
}

static void test_wrong_size(void **state)
{
	const struct place *p = *state;
	_fetch_ struct fetch small, large;
	struct cor_error err = {0};

	init(&small, p, SIZE - 1);
	assert_int_equal(begin(&small), FETCH_OURS);
	assert_corrupt(fetch_add(&small, p->content, SIZE, &err), &err);
	fetch_release(&small);
	init(&large, p, SIZE + 1);
	assert_int_equal(begin(&large), FETCH_OURS);
	assert_int_equal(fetch_add(&large, p->content, SIZE, NULL), 0);
	assert_corrupt(fetch_end(&large, &err), &err);
}

/* A part that somebody spoiled is whole and wrong: it is begun anew. */
static void test_spoiled_part(void **state)
{
	const struct place *p = *state;
	_free_ char *zeros = xcalloc(SIZE, 1);
	_fetch_ struct fetch f;

	assert_int_equal(file_write_new(p->store->partial, digest_hex(p->digest), zeros, SIZE, 0600), 0);
	init(&f, p, SIZE);
	assert_int_equal(begin(&f), FETCH_OURS);
	assert_int_equal(f.there, 0);
	assert_int_equal(fetch_add(&f, p->content, SIZE, NULL), 0);
	assert_int_equal(fetch_end(&f, NULL), 0);
}

static void test_two_at_once(void **state)
{
	const struct place *p = *state;
	_workspace_ struct workspace work = {0};
	_fetch_ struct fetch first, second;

	assert_int_equal(workspace_open(p->store, &work, NULL), 0);
	init(&first, p, SIZE);
	fetch_init(&second, p->store, work.fd, p->digest, SIZE);
	assert_int_equal(begin(&first), FETCH_OURS);
	assert_int_equal(begin(&second), FETCH_BUSY);
	assert_int_equal(fetch_add(&first, p->content, SIZE, NULL), 0);
	assert_int_equal(fetch_end(&first, NULL), 0);
	assert_int_equal(begin(&second), FETCH_HERE);
	assert_content(work.fd, p);
	/* Also when the first has published it meanwhile. */
	assert_int_equal(
		store_publish_blob(p->store, p->work.fd, digest_hex(p->digest), p->digest, SIZE, NULL), 0);
	fetch_published(&first);
	assert_int_equal(begin(&first), FETCH_HERE);
	assert_content(p->work.fd, p);
}

/* A manifest that lies about the size must not spoil what another pull has. */
static void test_liar_beside(void **state)
{
	const struct place *p = *state;
	_workspace_ struct workspace work = {0};
	static const int lies[] = {-1, +1};

	assert_int_equal(workspace_open(p->store, &work, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		_fetch_ struct fetch honest, liar;

		init(&honest, p, SIZE);
		complete(&honest, p);
		fetch_init(&liar, p->store, work.fd, p->digest, SIZE + (uint64_t)lies[i]);
		assert_int_equal(begin(&liar), FETCH_OURS);
		assert_int_equal(liar.there, 0);
		assert_int_equal(fetch_add(&liar, "x", 1, NULL), 0);
		assert_content(p->work.fd, p);
		fetch_release(&liar);
		assert_int_equal(unlinkat(p->work.fd, digest_hex(p->digest), 0), 0);
		assert_int_equal(unlinkat(p->store->partial, digest_hex(p->digest), 0), 0);
	}
}

/* ---- reading while it comes ---- */

struct reading {
	struct source source;
	uint8_t data[SIZE];
	size_t size;
	int result;
	struct cor_error err;
};

static void *read_all(void *userdata)
{
	struct reading *reading = userdata;
	size_t n = 1;

	while (n && reading->result == 0) {
		n = 0;
		reading->result =
			reading->source.read(reading->source.userdata, reading->data + reading->size,
					     MIN(SIZE - reading->size, 7000u), &n, &reading->err);
		reading->size += n;
		if (reading->size == SIZE)
			break;
	}
	return NULL;
}

static pthread_t start(struct reading *reading, struct fetch *f)
{
	pthread_t thread;

	reading->source = fetch_source(f);
	assert_int_equal(pthread_create(&thread, NULL, read_all, reading), 0);
	return thread;
}

static void end(struct reading *reading, pthread_t thread)
{
	pthread_join(thread, NULL);
	source_release(&reading->source);
}

static void test_followed(void **state)
{
	const struct place *p = *state;
	_free_ struct reading *reading = xcalloc(1, sizeof(*reading));
	_fetch_ struct fetch f;
	pthread_t thread;
	size_t n;

	init(&f, p, SIZE);
	/* Before anything is there at all. */
	thread = start(reading, &f);
	assert_int_equal(begin(&f), FETCH_OURS);
	for (size_t at = 0; at < SIZE; at += 10000)
		assert_int_equal(fetch_add(&f, p->content + at, MIN(10000u, SIZE - at), NULL), 0);
	assert_int_equal(fetch_end(&f, NULL), 0);
	end(reading, thread);
	assert_int_equal(reading->result, 0);
	assert_int_equal(reading->size, SIZE);
	assert_memory_equal(reading->data, p->content, SIZE);
	/* And when all of it has been there for long. */
	reading->source = fetch_source(&f);
	assert_int_equal(reading->source.read(reading->source.userdata, reading->data, SIZE, &n, NULL), 0);
	assert_int_equal(n, SIZE);
	assert_int_equal(reading->source.read(reading->source.userdata, reading->data, SIZE, &n, NULL), 0);
	assert_int_equal(n, 0);
	source_release(&reading->source);
}

static void test_reader_is_told(void **state)
{
	const struct place *p = *state;
	_free_ struct reading *reading = xcalloc(1, sizeof(*reading));
	_fetch_ struct fetch f;
	pthread_t thread;

	for (unsigned stop = 0; stop < 2; stop++) {
		*reading = (struct reading){0};
		init(&f, p, SIZE);
		thread = start(reading, &f);
		assert_int_equal(begin(&f), FETCH_OURS);
		assert_int_equal(fetch_add(&f, p->content + f.there, 5000, NULL), 0);
		if (stop)
			source_stop(&reading->source);
		else
			fetch_cancel(&f);
		end(reading, thread);
		assert_int_equal(reading->result, -ECANCELED);
		assert_int_equal(reading->err.status, COR_CANCELLED);
		fetch_release(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_continued, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spoiled_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_liar_beside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
