/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of what a sender who means harm sends, and holes in them. */
#include "container/copy_tar.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/stat.h>

#define GIB (UINT64_C(1) << 30)

#define FILE_ENTRY(p, ...)                                                                                   \
	{                                                                                                    \
		.path = (p), .mode = S_IFREG | 0644, ##__VA_ARGS__                                           \
	}

static int open_file(int flags)
{
	char path[] = "/tmp/copy-tar-test.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC | flags);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static int write_entries(int fd, const char *name, uint64_t max, const struct copy_entry *entries,
			 size_t count)
{
	const struct copy_tar_options options = {.name = name, .max = max};
	_cleanup_(copy_tar_freep) struct copy_tar *tar = NULL;
	struct cor_error err;
	struct copy_sink sink;
	int r = copy_tar_create(fd, &options, &tar, &err);

	assert_int_equal(r, 0);
	sink = copy_tar_sink(tar);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = sink.entry(sink.user, &entries[i], &err);
	return r ?: copy_tar_end(tar, &err);
}

static int write_to_file(const char *name, uint64_t max, const struct copy_entry *entries, size_t count)
{
	_fd_ int fd = open_file(0);

	return write_entries(fd, name, max, entries, count);
}

static void nothing_but_what_was_asked_for(void **state)
{
	const struct copy_entry good = FILE_ENTRY("name/x");
	static const char *const others[] = {".bashrc", "names", "nam", "other/name", ""};

	assert_int_equal(write_to_file("name", GIB, &good, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const struct copy_entry entry = FILE_ENTRY(others[i]);

		assert_true(write_to_file("name", GIB, &entry, 1) < 0);
	}
}

static void hard_links_lead_to_what_came(void **state)
{
	const struct copy_entry entries[] = {
		FILE_ENTRY("name/a", .links = 2),
		FILE_ENTRY("name/b", .links = 2, .hard_link = "name/a"),
		FILE_ENTRY("name/c", .links = 2, .hard_link = "secret"),
	};

	assert_int_equal(write_to_file("name", GIB, entries, 2), 0);
	assert_true(write_to_file("name", GIB, entries + 1, 1) < 0);
	assert_true(write_to_file("name", GIB, entries, 3) < 0);
}

/* Refused before a byte of it is written. */
static void no_more_than_may_be(void **state)
{
	const struct copy_entry entries[] = {
		FILE_ENTRY("a", .size = GIB / 2),
		FILE_ENTRY("b", .size = GIB / 2),
		FILE_ENTRY("c", .size = 1),
	};
	const struct copy_entry huge = FILE_ENTRY("d", .size = INT64_MAX);
	_fd_ int fd = open_file(0);
	struct stat st;

	assert_int_equal(write_to_file("", GIB, entries, 2), 0);
	assert_true(write_to_file("", GIB, entries, 3) < 0);
	assert_int_equal(write_entries(fd, "", GIB, &huge, 1), -EFBIG);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
}

struct found {
	char path[16];
	uint64_t size, at;
	unsigned other; /* bytes that are not zero */
};

static int on_entry(void *user, const struct copy_entry *entry, struct cor_error *err)
{
	struct found *found = user;

	memcpy(found->path, entry->path, strnlen(entry->path, sizeof(found->path) - 1));
	found->size = entry->size;
	return 0;
}

static int on_data(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err)
{
	struct found *found = user;

	for (size_t i = 0; i < size; i++)
		found->other += ((const char *)data)[i] != 0;
	found->at = offset + size;
	return 0;
}

static void read_back(int fd, off_t from, uint64_t size)
{
	struct found found = {0};
	const struct copy_sink sink = {.entry = on_entry, .data = on_data, .user = &found};
	struct cor_error err;

	assert_int_equal(lseek(fd, from, SEEK_SET), from);
	assert_int_equal(copy_tar_read(fd, &sink, &err), 0);
	assert_string_equal(found.path, "sparse");
	assert_int_equal(found.size, size);
	assert_int_equal(found.at, size);
	assert_int_equal(found.other, 0);
}

static void files_have_holes(void **state)
{
	static const uint64_t sizes[] = {GIB / 16, GIB / 16 + 1, GIB / 16 - 1000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct copy_entry entry = FILE_ENTRY("sparse", .size = sizes[i]);
		_fd_ int fd = open_file(0);
		struct stat st;

		assert_int_equal(write_entries(fd, "", GIB, &entry, 1), 0);
		assert_int_equal(fstat(fd, &st), 0);
		/* Two blocks of zeros end an archive. */
		assert_int_equal(st.st_size, 512 + (sizes[i] + 511) / 512 * 512 + 1024);
		assert_true(st.st_blocks < 4096);
		read_back(fd, 0, sizes[i]);
	}
}

/* Where something is behind the offset, or nobody knows what is, zeros are written. */
static void what_was_there_is_written_over(void **state)
{
	const struct copy_entry entry = FILE_ENTRY("sparse", .size = 1 << 20);
	static const int flags[] = {0, O_APPEND};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		_fd_ int fd = open_file(flags[i]);
		uint8_t old[4096];

		memset(old, 'x', sizeof(old));
		for (size_t n = 0; n < 600; n++)
			assert_int_equal(write(fd, old, sizeof(old)), sizeof(old));
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(write_entries(fd, "", GIB, &entry, 1), 0);
		read_back(fd, flags[i] ? 600 * (off_t)sizeof(old) : 0, 1 << 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_what_was_asked_for),
		cmocka_unit_test(hard_links_lead_to_what_came),
		cmocka_unit_test(no_more_than_may_be),
		cmocka_unit_test(files_have_holes),
		cmocka_unit_test(what_was_there_is_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
