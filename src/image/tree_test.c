/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"

#include "base/str.h"

#include <errno.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static unsigned forgotten;

static void count_forgotten(void *userdata, const struct inode *inode)
{
	forgotten++;
}

static int setup(void **state)
{
	struct tree *tree = xcalloc(1, sizeof(*tree));

	tree_init(tree);
	tree->forget = count_forgotten;
	forgotten = 0;
	*state = tree;
	return 0;
}

static int teardown(void **state)
{
	tree_release(*state);
	free(*state);
	return 0;
}

static void put(struct tree *tree, const char *path, mode_t mode, unsigned layer)
{
	assert_int_equal(tree_put(tree, path, inode_new(mode), layer, NULL), 0);
}

static void put_link(struct tree *tree, const char *path, const char *target, unsigned layer)
{
	struct inode *inode = inode_new(S_IFLNK | 0777);

	inode->target = xstrdup(target);
	assert_int_equal(tree_put(tree, path, inode, layer, NULL), 0);
}

static bool there(struct tree *tree, const char *path)
{
	return tree_find(tree, path) != NULL;
}

static void test_spellings(void **state)
{
	struct tree *tree = *state;

	put(tree, "./a/", S_IFDIR | 0700, 1);
	put(tree, "/a//b", S_IFREG | 0644, 1);
	put(tree, ".", S_IFDIR | 0711, 1);
	assert_true(there(tree, "a/b"));
	assert_int_equal(tree_find(tree, "a")->inode->mode, S_IFDIR | 0700);
	assert_int_equal(tree->root->inode->mode, S_IFDIR | 0711);
	put(tree, "implied/parents/x", S_IFREG, 1);
	assert_int_equal(tree_find(tree, "implied")->inode->mode, S_IFDIR | 0755);
}

static void test_bad_paths(void **state)
{
	static const char *const bad[] = {"..",     "../x",     "a/../b",      "/..",
					  "file/x", "loop-a/x", "nowhere/../x"};
	struct tree *tree = *state;
	struct cor_error err;
	_free_ char *name = xcalloc(1, 257), *deep = xcalloc(1, 6000);

	put(tree, "file", S_IFREG, 1);
	put_link(tree, "loop-a", "loop-b", 1);
	put_link(tree, "loop-b", "loop-a", 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct cor_error){0};
		assert_true(tree_put(tree, bad[i], inode_new(S_IFREG), 1, &err) < 0);
		assert_int_equal(err.status, COR_CORRUPT);
	}
	memset(name, 'n', 256);
	assert_int_equal(tree_put(tree, name, inode_new(S_IFREG), 1, &err), -ENAMETOOLONG);
	name[255] = '\0';
	assert_int_equal(tree_put(tree, name, inode_new(S_IFREG), 1, &err), 0);
	memset(deep, '/', 5000);
	assert_int_equal(tree_put(tree, deep, inode_new(S_IFDIR), 1, &err), -ENAMETOOLONG);
	assert_true(tree_put(tree, "/", inode_new(S_IFREG), 1, &err) < 0);
}

static void test_links_stay_inside(void **state)
{
	struct tree *tree = *state;

	put(tree, "etc", S_IFDIR | 0755, 1);
	put_link(tree, "absolute", "/etc", 1);
	put_link(tree, "up", "../../../etc", 1);
	put(tree, "absolute/one", S_IFREG, 2);
	put(tree, "up/two", S_IFREG, 2);
	assert_true(there(tree, "etc/one") && there(tree, "etc/two"));
	/* The last part is never followed. */
	put(tree, "absolute", S_IFREG, 2);
	assert_true(there(tree, "etc/one"));
	assert_true(S_ISREG(tree_find(tree, "absolute")->inode->mode));
}

static void test_replacing(void **state)
{
	struct tree *tree = *state;

	put(tree, "d/child", S_IFREG, 1);
	put(tree, "d", S_IFDIR | 0700, 2);
	assert_true(there(tree, "d/child"));
	assert_int_equal(tree_find(tree, "d")->inode->mode & 0777, 0700);
	put(tree, "d", S_IFREG, 3);
	assert_false(there(tree, "d/child"));
	assert_int_equal(forgotten, 2);
	put(tree, "d", S_IFDIR, 4);
	assert_int_equal(forgotten, 3);
	assert_true(tree->node_count == 1);
}

static void test_hard_links(void **state)
{
	struct tree *tree = *state;
	struct cor_error err = {0};

	put(tree, "a", S_IFREG | 0640, 1);
	assert_int_equal(tree_link(tree, "dir/b", "./a", 1, NULL), 0);
	assert_int_equal(tree_link(tree, "dir/b", "a", 1, NULL), 0);
	assert_ptr_equal(tree_find(tree, "dir/b")->inode, tree_find(tree, "a")->inode);
	assert_int_equal(tree_find(tree, "a")->inode->names, 2);
	/* One name is replaced, the other one keeps the file. */
	put(tree, "a", S_IFREG | 0600, 2);
	assert_int_equal(forgotten, 0);
	assert_int_equal(tree_find(tree, "dir/b")->inode->mode & 0777, 0640);
	/* The link takes the place of the directory that held the file. */
	assert_int_equal(tree_link(tree, "dir", "dir/b", 2, NULL), 0);
	assert_int_equal(tree_find(tree, "dir")->inode->names, 1);
	assert_int_equal(tree_find(tree, "dir")->inode->mode & 0777, 0640);
	assert_true(tree_link(tree, "x", "nowhere", 2, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	assert_true(tree_link(tree, "x", "../a", 2, &err) < 0);
	put(tree, "folder", S_IFDIR, 2);
	assert_true(tree_link(tree, "x", "folder", 2, &err) < 0);
	assert_false(there(tree, "x"));
}

static void test_whiteouts(void **state)
{
	struct tree *tree = *state;

	put(tree, "gone/deep/file", S_IFREG, 1);
	put(tree, "half/lower", S_IFREG, 1);
	put(tree, "half/upper", S_IFREG, 2);
	assert_int_equal(tree_remove_lower(tree, "gone", 2, NULL), 0);
	assert_int_equal(tree_remove_lower(tree, "half", 2, NULL), 0);
	assert_int_equal(tree_remove_lower(tree, "never/was", 2, NULL), 0);
	assert_false(there(tree, "gone"));
	assert_false(there(tree, "half/lower"));
	assert_true(there(tree, "half/upper"));
	assert_true(tree_remove_lower(tree, "/", 2, NULL) < 0);
	assert_true(tree_remove_lower(tree, "../x", 2, NULL) < 0);
	/* There is nothing below a file. */
	assert_int_equal(tree_remove_lower(tree, "half/upper/x", 3, NULL), 0);
	assert_int_equal(tree_make_opaque(tree, "half/upper/x", 3, NULL), 0);
	assert_true(there(tree, "half/upper"));
	/* Nothing is made on the way. */
	assert_false(there(tree, "never"));
}

static void test_opaque(void **state)
{
	struct tree *tree = *state;

	put(tree, "o/lower/file", S_IFREG, 1);
	put(tree, "o/upper", S_IFREG, 2);
	put(tree, "o/both/lower", S_IFREG, 1);
	put(tree, "o/both/upper", S_IFREG, 2);
	assert_int_equal(tree_make_opaque(tree, "o/", 2, NULL), 0);
	assert_true(there(tree, "o/upper") && there(tree, "o/both/upper"));
	assert_false(there(tree, "o/lower") || there(tree, "o/both/lower"));
	put(tree, "root-file", S_IFREG, 1);
	assert_int_equal(tree_make_opaque(tree, "", 3, NULL), 0);
	assert_true(tree->node_count == 0);
	assert_int_equal(tree_make_opaque(tree, "nowhere", 3, NULL), 0);
}

static void test_many(void **state)
{
	struct tree *tree = *state;
	char path[64];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "d%u/f%u", i % 7, i);
		put(tree, path, S_IFREG, 1);
	}
	assert_int_equal(tree->node_count, 20007);
	assert_true(there(tree, "d4/f19002"));
	for (unsigned i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "d%u", i);
		assert_int_equal(tree_remove_lower(tree, path, 2, NULL), 0);
	}
	assert_int_equal(tree->node_count, 0);
	assert_int_equal(forgotten, 20007);
}

static void test_deep(void **state)
{
	struct tree *tree = *state;
	char path[4096] = "d";

	/* As deep as a path allows, and deeper through a link. */
	for (size_t n = 1; n + 2 < sizeof(path); n += 2)
		memcpy(path + n, "/d", 3);
	put(tree, path, S_IFDIR, 1);
	put_link(tree, "far", path, 1);
	memcpy(path, "far", 3);
	for (size_t n = 3; n + 2 < sizeof(path); n += 2)
		memcpy(path + n, "/d", 3);
	put(tree, path, S_IFREG, 1);
	assert_int_equal(tree_remove_lower(tree, "d", 2, NULL), 0);
	assert_int_equal(tree->node_count, 1);
}

static void test_xattrs(void **state)
{
	_cleanup_(inode_freep) struct inode *inode = inode_new(S_IFREG);

	inode_set_xattr(inode, "user.a", "1", 1);
	inode_set_xattr(inode, "user.b", "", 0);
	inode_set_xattr(inode, "user.a", "new", 3);
	assert_int_equal(inode->xattr_count, 2);
	assert_int_equal(inode->xattrs[0].size, 3);
	assert_memory_equal(inode->xattrs[0].value, "new", 3);
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(test_spellings),     TREE_TEST(test_bad_paths),  TREE_TEST(test_links_stay_inside),
		TREE_TEST(test_replacing),     TREE_TEST(test_hard_links), TREE_TEST(test_whiteouts),
		TREE_TEST(test_opaque),        TREE_TEST(test_many),       TREE_TEST(test_deep),
		cmocka_unit_test(test_xattrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
