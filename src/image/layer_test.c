/* SPDX-License-Identifier: Apache-2.0 */
/* What layers do to a tree is compared with another tool's work in tests/image; here is what bounds them. */
#include "image/layer.h"

#include "base/file.h"
#include "base/size.h"
#include "base/str.h"
#include "oci/hash.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* A tar of one file; it may be all zeros. */
static int make_layer(const char *path, uint64_t size, int fill, int (*compress)(struct archive *))
{
	int fd = memfd_create("layer", MFD_CLOEXEC);
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	_free_ char *data = xmalloc(MIB);

	memset(data, fill, MIB);
	archive_write_set_format_gnutar(a);
	compress(a);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)size);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	for (uint64_t i = 0; i < size; i += MIB)
		archive_write_data(a, data, MIN(MIB, size - i));
	archive_entry_free(entry);
	archive_write_free(a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static struct stream *open_stream(int fd)
{
	struct stream *stream = NULL;

	assert_int_equal(stream_open(source_fd(dup(fd)), &stream, NULL), 0);
	return stream;
}

static int verify(int fd, const char *diff_id, uint64_t *budget, struct cor_error *err)
{
	_cleanup_(stream_freep) struct stream *stream = open_stream(fd);

	*err = (struct cor_error){0};
	return layer_verify(stream, diff_id, budget, err);
}

static int apply(int fd, const char *diff_id, uint64_t budget, struct tree *tree, struct cor_error *err)
{
	static const uint8_t uuid[16];
	_fd_ int disk_fd = memfd_create("disk", MFD_CLOEXEC);
	_cleanup_(ext4_freep) struct ext4 *disk = NULL;

	*err = (struct cor_error){0};
	_cleanup_(stream_freep) struct stream *stream = open_stream(fd);

	assert_int_equal(ext4_create(disk_fd, 64 * MIB, uuid, &disk, NULL), 0);
	return layer_apply(stream, diff_id, 1, tree, disk, &budget, err);
}

static int apply_one(int fd, const char *diff_id, uint64_t budget, struct cor_error *err)
{
	_cleanup_(tree_release) struct tree tree;
	_fd_ int own = fd;

	tree_init(&tree);
	return apply(own, diff_id, budget, &tree, err);
}

static void test_compressions(void **state)
{
	static int (*const filters[])(struct archive *) = {
		archive_write_add_filter_none,
		archive_write_add_filter_gzip,
		archive_write_add_filter_zstd,
	};
	char digest[DIGEST_SIZE], bytes[20480];
	_fd_ int plain = make_layer("dir/file", 5000, 'x', archive_write_add_filter_none);
	ssize_t n = read(plain, bytes, sizeof(bytes));
	struct cor_error err;

	hash_bytes(bytes, (size_t)n, digest);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		_cleanup_(tree_release) struct tree tree;
		_fd_ int fd = make_layer("dir/file", 5000, 'x', filters[i]);
		uint64_t budget = MIB;

		tree_init(&tree);
		assert_int_equal(apply(fd, digest, MIB, &tree, &err), 0);
		assert_int_equal(tree_find(&tree, "dir/file")->inode->size, 5000);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(verify(fd, digest, &budget, &err), 0);
		assert_true(budget == MIB - (uint64_t)n);
	}
}

static void test_other_compressions(void **state)
{
	struct cor_error err;

	assert_true(apply_one(make_layer("f", 10, 'x', archive_write_add_filter_xz), NULL, MIB, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
}

static void test_wrong_digest(void **state)
{
	static const char other[] = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	_fd_ int fd = make_layer("f", 10, 'x', archive_write_add_filter_gzip);
	uint64_t budget = MIB;
	struct cor_error err;

	assert_true(apply_one(dup(fd), other, MIB, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	assert_non_null(strstr(err.msg, other));
	lseek(fd, 0, SEEK_SET);
	assert_true(verify(fd, other, &budget, &err) < 0);
}

/* Little that becomes 80 MiB: more than the disk, or more than was allowed. */
static void test_bombs(void **state)
{
	struct cor_error err;

	assert_true(apply_one(make_layer("bomb", 80 * MIB, 'x', archive_write_add_filter_zstd), NULL, GIB,
			      &err) < 0);
	assert_int_equal(err.status, COR_EXHAUSTED);
	assert_non_null(strstr(err.msg, "bomb"));
	assert_true(apply_one(make_layer("bomb", 80 * MIB, 0, archive_write_add_filter_gzip), NULL, 50 * MIB,
			      &err) < 0);
	assert_non_null(strstr(err.msg, "too large when uncompressed"));
	assert_non_null(strstr(err.msg, "'bomb'")); /* its header says it */
	/* Nor does one come through whose header says nothing: the bytes are counted. */
	uint64_t budget = 50 * MIB;
	_fd_ int fd = make_layer("bomb", 80 * MIB, 0, archive_write_add_filter_zstd);
	assert_true(verify(fd, NULL, &budget, &err) < 0);
	assert_non_null(strstr(err.msg, "too large when uncompressed"));
	/* Or behind the archive. */
	int behind = make_layer("file", 10, 'x', archive_write_add_filter_none);
	assert_int_equal(ftruncate(behind, 65 * MIB), 0);
	assert_true(apply_one(behind, NULL, GIB, &err) < 0);
	assert_non_null(strstr(err.msg, "behind the end"));
	/* Zeros take no room. */
	assert_int_equal(
		apply_one(make_layer("zeros", 80 * MIB, 0, archive_write_add_filter_zstd), NULL, GIB, &err),
		0);
}

static void test_garbage(void **state)
{
	char bytes[4096];
	struct cor_error err;

	assert_true(apply_one(memfd_with("layer", "no tar at all", 13), NULL, MIB, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(apply_one(memfd_with("layer", bytes, sizeof(bytes)), NULL, MIB, &err), 0);
	assert_true(apply_one(make_layer("../out", 1, 'x', archive_write_add_filter_none), NULL, MIB, &err) <
		    0);
	assert_int_equal(err.status, COR_CORRUPT);
	assert_true(apply_one(make_layer(".wh..", 1, 'x', archive_write_add_filter_none), NULL, MIB, &err) <
		    0);
	assert_int_equal(err.status, COR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compressions), cmocka_unit_test(test_other_compressions),
		cmocka_unit_test(test_wrong_digest), cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
