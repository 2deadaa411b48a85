/* SPDX-License-Identifier: Apache-2.0 */
/* Options, and places in a tree that a stranger made. Mounting itself is tested in a real guest. */
#include "init/mount.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <cmocka.h>

static struct mount_options parse(const char *text)
{
	_strv_ struct strv list = strv_split(text, ',');
	struct mount_options options;

	mount_options_parse(&list, &options);
	return options;
}

static void test_flags(void **state)
{
	struct mount_options options = parse("nosuid,noexec,nodev,relatime,ro");

	assert_int_equal(options.flags, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RELATIME | MS_RDONLY);
	assert_null(options.data);
	assert_int_equal(options.propagation, 0);
	/* The last word counts. */
	options = parse("ro,rw,nosuid,suid,noatime");
	assert_int_equal(options.flags, MS_NOATIME);
	options = parse("");
	assert_int_equal(options.flags, 0);
	options = parse("rbind,rslave");
	assert_int_equal(options.flags, MS_BIND | MS_REC);
	assert_int_equal(options.propagation, MS_SLAVE | MS_REC);
}

static void test_data(void **state)
{
	struct mount_options options = parse("nosuid,mode=755,,size=64k,strictatime,newinstance");

	assert_string_equal(options.data, "mode=755,size=64k,newinstance");
	assert_int_equal(options.flags, MS_NOSUID | MS_STRICTATIME);
	mount_options_release(&options);
	assert_null(options.data);
	mount_options_release(&options);
}

/* ---- places ---- */

static int make_tree(void **state)
{
	char path[] = "/tmp/mount-test.XXXXXX";

	*state = mkdtemp(path) ? xstrdup(path) : NULL;
	return *state ? 0 : -1;
}

static int remove_tree(void **state)
{
	tree_remove(AT_FDCWD, *state);
	free(*state);
	return 0;
}

static void expect_place(int root, const char *path, bool directory, const char *where)
{
	_fd_ int fd = mount_target_open(root, path, directory);
	_fd_ int there = openat(root, where, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat a, b;

	assert_true(fd >= 0);
	assert_true(there >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(there, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(S_ISDIR(a.st_mode), directory);
}

static void test_places(void **state)
{
	_fd_ int root = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC);

	expect_place(root, "/a/b/c", true, "a/b/c");
	expect_place(root, "/a/b/c", true, "a/b/c");
	expect_place(root, "//a/./b//d/", true, "a/b/d");
	expect_place(root, "/etc/hosts", false, "etc/hosts");
	expect_place(root, "/etc/hosts", false, "etc/hosts");
	expect_place(root, "/file", false, "file");
	assert_int_equal(mount_target_open(root, "/a/../new", true), -EINVAL);
	assert_int_equal(mount_target_open(root, "/file/x", true), -ENOTDIR);
	assert_int_equal(mount_target_open(root, "/file", true), -ENOTDIR);
}

static void test_places_behind_links(void **state)
{
	_fd_ int root = open(*state, O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(mkdirat(root, "inside", 0755), 0);
	assert_int_equal(symlinkat("../../../../inside", root, "up"), 0);
	assert_int_equal(symlinkat("/inside", root, "absolute"), 0);
	assert_int_equal(symlinkat("/nowhere", root, "dangling"), 0);
	assert_int_equal(symlinkat("loop", root, "loop"), 0);
	assert_int_equal(symlinkat("/proc/self/root/tmp", root, "magic"), 0);
	/* Links are followed as the container would, and nothing is made outside. */
	expect_place(root, "/up/x", true, "inside/x");
	expect_place(root, "/absolute/y", false, "inside/y");
	assert_true(mount_target_open(root, "/dangling/x", true) < 0);
	assert_true(mount_target_open(root, "/loop/x", true) < 0);
	assert_true(mount_target_open(root, "/magic/coracle-mount-test", true) < 0);
	assert_int_equal(access("/tmp/coracle-mount-test", F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_data),
		cmocka_unit_test_setup_teardown(test_places, make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(test_places_behind_links, make_tree, remove_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
