/* SPDX-License-Identifier: Apache-2.0 */
/* The whole is compared with other tools in tests/image; here is what needs many pieces or a small disk. */
#include "image/ext4_internal.h"

#include "base/size.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const uint8_t uuid[16] = {1, 2, 3};

struct fixture {
	int fd;
	struct ext4 *disk;
	struct tree tree;
};

static struct fixture begin(uint64_t size)
{
	struct fixture f = {.fd = memfd_create("disk", MFD_CLOEXEC)};

	assert_int_equal(ext4_create(f.fd, size, uuid, &f.disk, NULL), 0);
	tree_init(&f.tree);
	return f;
}

static void set_forget(struct fixture *f)
{
	f->tree.forget = ext4_forget;
	f->tree.userdata = f->disk;
}

static void end(struct fixture *f)
{
	tree_release(&f->tree);
	ext4_free(f->disk);
	close(f->fd);
}

/* What is on the disk, as libext2fs reads it. */
static ext2_filsys reopen(const struct fixture *f)
{
	char path[64];
	ext2_filsys fs;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	assert_int_equal(ext2fs_open(path, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs), 0);
	return fs;
}

static void read_file(ext2_filsys fs, const char *path, void *data, unsigned size, struct ext2_inode *raw)
{
	ext2_file_t file;
	ext2_ino_t number;
	unsigned n;

	assert_int_equal(ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number), 0);
	assert_int_equal(ext2fs_read_inode(fs, number, raw), 0);
	assert_int_equal(ext2fs_file_open(fs, number, 0, &file), 0);
	for (unsigned got = 0; got < size; got += n) {
		assert_int_equal(ext2fs_file_read(file, (char *)data + got, size - got, &n), 0);
		assert_true(n > 0);
	}
	ext2fs_file_close(file);
}

static void test_many_extents(void **state)
{
	struct fixture f = begin(256 * MIB);
	struct inode *inode = inode_new(S_IFREG | 0644);
	_free_ uint32_t *data = xcalloc(2000 * 8192, sizeof(*data));
	struct ext2_inode raw;
	ext2_filsys fs;

	/* A block, a hole of seven, and so on: far more pieces than an inode holds. */
	inode->size = 2000 * 32768;
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t word = i + 1;

		assert_int_equal(ext4_add_content(f.disk, inode, (uint64_t)i * 32768 + 4, &word, 4, NULL), 0);
	}
	assert_int_equal(ext4_end_content(f.disk, inode, NULL), 0);
	assert_int_equal(tree_put(&f.tree, "holes", inode, 1, NULL), 0);
	assert_int_equal(ext4_write_tree(f.disk, &f.tree, NULL), 0);
	fs = reopen(&f);
	read_file(fs, "/holes", data, 2000 * 32768, &raw);
	for (uint32_t i = 0; i < 2000; i++)
		assert_true(data[i * 8192 + 1] == i + 1 && data[i * 8192] == 0 && data[i * 8192 + 2] == 0);
	assert_true(raw.i_blocks > 2000 * 8 && raw.i_blocks < 2100 * 8);
	ext2fs_close_free(&fs);
	end(&f);
}

static void test_zeros_are_holes(void **state)
{
	struct fixture f = begin(64 * MIB);
	_free_ uint8_t *data = xcalloc(1, 8 * MIB), *again = xcalloc(1, 8 * MIB);
	struct inode *inode = inode_new(S_IFREG | 0644);
	struct ext2_inode raw;
	ext2_filsys fs;

	inode->size = 8 * MIB;
	memset(data, 1, 4097);
	/* Fewer blocks of zeros than make a hole, then data, then many. */
	data[10 * 4096] = 2;
	data[5 * MIB + 5] = 3;
	assert_int_equal(ext4_add_content(f.disk, inode, 0, data, 8 * MIB, NULL), 0);
	assert_int_equal(ext4_end_content(f.disk, inode, NULL), 0);
	assert_int_equal(tree_put(&f.tree, "zeros", inode, 1, NULL), 0);
	assert_int_equal(ext4_write_tree(f.disk, &f.tree, NULL), 0);
	fs = reopen(&f);
	read_file(fs, "/zeros", again, 8 * MIB, &raw);
	assert_memory_equal(data, again, 8 * MIB);
	assert_int_equal(raw.i_blocks, (11 + 1) * 8);
	ext2fs_close_free(&fs);
	end(&f);
}

static void test_pieces(void **state)
{
	struct fixture f = begin(64 * MIB);
	struct inode *inode = inode_new(S_IFREG);
	struct cor_error err = {0};

	assert_int_equal(ext4_add_content(f.disk, inode, 100, "abc", 3, NULL), 0);
	assert_int_equal(ext4_add_content(f.disk, inode, 103, "def", 3, NULL), 0);
	assert_true(ext4_add_content(f.disk, inode, 105, "x", 1, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	assert_true(ext4_add_content(f.disk, inode, UINT64_MAX - 1, "x", 1, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	inode_free(inode);
	end(&f);
}

static void fill(struct fixture *f, const char *path, int *ret, struct cor_error *err)
{
	_free_ uint8_t *data = xmalloc(MIB);
	struct inode *inode = inode_new(S_IFREG);

	memset(data, 7, MIB);
	*ret = 0;
	for (uint64_t i = 0; *ret == 0 && i < 1024; i++)
		*ret = ext4_add_content(f->disk, inode, i * MIB, data, MIB, err);
	assert_int_equal(tree_put(&f->tree, path, inode, 1, NULL), 0);
}

static void test_full(void **state)
{
	struct fixture f = begin(64 * MIB);
	struct cor_error err = {0};
	int r;

	fill(&f, "bomb", &r, &err);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(err.status, COR_EXHAUSTED);
	end(&f);
}

/* What a layer replaced makes room for the next. */
static void test_room_comes_back(void **state)
{
	struct fixture f = begin(64 * MIB);
	_free_ uint8_t *data = xmalloc(30 * MIB);

	set_forget(&f);
	memset(data, 7, 30 * MIB);
	for (unsigned layer = 1; layer < 10; layer++) {
		struct inode *inode = inode_new(S_IFREG);

		inode->size = 30 * MIB;
		assert_int_equal(tree_remove_lower(&f.tree, "large", layer, NULL), 0);
		assert_int_equal(ext4_add_content(f.disk, inode, 0, data, 30 * MIB, NULL), 0);
		assert_int_equal(ext4_end_content(f.disk, inode, NULL), 0);
		assert_int_equal(tree_put(&f.tree, "large", inode, layer, NULL), 0);
	}
	assert_int_equal(ext4_write_tree(f.disk, &f.tree, NULL), 0);
	end(&f);
}

static void test_too_many_files(void **state)
{
	struct fixture f = begin(64 * MIB); /* 4096 inodes */
	struct cor_error err = {0};
	char name[32];

	for (unsigned i = 0; i < 4200; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(tree_put(&f.tree, name, inode_new(S_IFREG), 1, NULL), 0);
	}
	assert_true(ext4_write_tree(f.disk, &f.tree, &err) < 0);
	assert_int_equal(err.status, COR_EXHAUSTED);
	end(&f);
}

static void test_large_xattrs(void **state)
{
	struct fixture f = begin(64 * MIB);
	struct cor_error err = {0};
	char value[4000] = "";
	struct inode *inode = inode_new(S_IFREG);

	inode_set_xattr(inode, "user.fits", value, 3000);
	assert_int_equal(tree_put(&f.tree, "good", inode, 1, NULL), 0);
	inode = inode_new(S_IFREG);
	inode_set_xattr(inode, "user.one", value, 3000);
	inode_set_xattr(inode, "user.two", value, 3000);
	assert_int_equal(tree_put(&f.tree, "too-much", inode, 1, NULL), 0);
	assert_true(ext4_write_tree(f.disk, &f.tree, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "too-much"));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_extents),    cmocka_unit_test(test_zeros_are_holes),
		cmocka_unit_test(test_pieces),          cmocka_unit_test(test_full),
		cmocka_unit_test(test_room_comes_back), cmocka_unit_test(test_too_many_files),
		cmocka_unit_test(test_large_xattrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
