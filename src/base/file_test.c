/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

struct folder {
	char path[64];
	int fd;
};

static int make_folder(void **state)
{
	struct folder *folder = xcalloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/coracle-file-test.XXXXXX");
	if (!mkdtemp(folder->path))
		return -1;
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = folder;
	return folder->fd < 0;
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	int r = tree_remove(AT_FDCWD, folder->path);

	close(folder->fd);
	free(folder);
	return r;
}

static void test_replace_and_read(void **state)
{
	struct folder *folder = *state;
	_free_ char *data = NULL;
	size_t size;

	assert_int_equal(file_write_atomic(folder->fd, "f", "one", 3, 0600), 0);
	assert_int_equal(file_write_atomic(folder->fd, "f", "three", 5, 0600), 0);
	assert_int_equal(file_read(folder->fd, "f", 5, &data, &size), 0);
	assert_int_equal(size, 5);
	assert_string_equal(data, "three");
	assert_int_equal(file_read(folder->fd, "f", 4, &data, &size), -EFBIG);
	assert_int_equal(file_read(folder->fd, "missing", 4, &data, &size), -ENOENT);
	assert_int_equal(file_read(folder->fd, ".", 4, &data, &size), -EINVAL);
}

static void test_trees(void **state)
{
	struct folder *folder = *state;

	assert_int_equal(dir_make_all(folder->fd, "a/b/c", 0700), 0);
	assert_int_equal(dir_make_all(folder->fd, "a/b/c", 0700), 0);
	assert_int_equal(file_write_atomic(folder->fd, "a/keep", "x", 1, 0600), 0);
	assert_int_equal(dir_make_all(folder->fd, "t/u", 0700), 0);
	assert_int_equal(symlinkat("../a", folder->fd, "t/link"), 0);
	/* Removing a tree takes the link and not what it leads to. */
	assert_int_equal(tree_remove(folder->fd, "t"), 0);
	assert_int_equal(faccessat(folder->fd, "a/keep", F_OK, 0), 0);
	assert_int_equal(tree_remove(folder->fd, "t"), 0);
}

/* Deeper than a path may be long, a process may have files open, and a stack is deep; and the names that the removal would use are there. */
static void test_deep_trees(void **state)
{
	struct folder *folder = *state;
	struct rlimit limit;
	int fd = -1;

	assert_int_equal(dir_open_make(folder->fd, "t/.deep-0/x", 0700, &fd), 0);
	close_fd(&fd);
	assert_int_equal(dir_open_make(folder->fd, "t/.deep-2", 0700, &fd), 0);
	close_fd(&fd);
	assert_int_equal(file_write_atomic(folder->fd, "t/.deep-1", "x", 1, 0600), 0);
	fd = openat(folder->fd, "t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 5000; i++) {
		int next = -1;

		assert_int_equal(dir_open_make(fd, "a", 0700, &next), 0);
		if (i % 50 == 0)
			assert_int_equal(dir_make_all(fd, "b/c", 0700), 0);
		assert_int_equal(file_write_new(fd, "f", "x", 1, 0400), 0);
		close(fd);
		fd = next;
	}
	close_fd(&fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){128, limit.rlim_max}), 0);
	assert_int_equal(tree_remove(folder->fd, "t"), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(faccessat(folder->fd, "t", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_resolution_stays_inside(void **state)
{
	struct folder *folder = *state;
	int fd;

	assert_int_equal(dir_make_all(folder->fd, "root/etc", 0700), 0);
	assert_int_equal(file_write_atomic(folder->fd, "root/etc/passwd", "inside", 6, 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", folder->fd, "root/absolute"), 0);
	assert_int_equal(symlinkat("../../../etc/passwd", folder->fd, "root/relative"), 0);
	for (int i = 0; i < 2; i++) {
		_fd_ int root = open_beneath(folder->fd, "root", O_PATH | O_DIRECTORY, 0);
		char text[7] = "";

		fd = open_in_root(root, i ? "absolute" : "relative", O_RDONLY, 0);
		assert_true(fd >= 0);
		assert_int_equal(fd_read_all(fd, text, 6), 0);
		assert_string_equal(text, "inside");
		close(fd);
		assert_int_equal(open_beneath(root, i ? "absolute" : "relative", O_RDONLY, 0), -ELOOP);
		assert_int_equal(open_beneath(root, "../root/etc/passwd", O_RDONLY, 0), -EXDEV);
	}
}

static void test_types_that_the_file_system_does_not_tell(void **state)
{
	int folder = ((struct folder *)*state)->fd;
	struct dirent entry = {.d_type = DT_UNKNOWN, .d_name = "file"};

	assert_int_equal(file_write_new(folder, "file", "x", 1, 0600), 0);
	assert_int_equal(dir_entry_type(folder, &entry), DT_REG);
	strcpy(entry.d_name, ".");
	assert_int_equal(dir_entry_type(folder, &entry), DT_DIR);
	strcpy(entry.d_name, "none");
	assert_int_equal(dir_entry_type(folder, &entry), DT_UNKNOWN);
}

static void test_memfd_is_sealed(void **state)
{
	_fd_ int fd = memfd_with("test", "abc", 3);
	char text[4] = "";

	assert_true(fd >= 0);
	assert_int_equal(fd_read_all(fd, text, 3), 0);
	assert_string_equal(text, "abc");
	assert_int_equal(fd_read_all(fd, text, 1), -ENODATA);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
}

static void test_new_files(void **state)
{
	struct folder *folder = *state;
	_free_ char *text = NULL;

	assert_int_equal(file_write_new(folder->fd, "new", "abc", 3, 0600), 0);
	assert_int_equal(file_write_new(folder->fd, "new", "def", 3, 0600), -EEXIST);
	assert_int_equal(dir_make_all(folder->fd, "below", 0700), 0);
	assert_int_equal(file_write_new(folder->fd, "below/too", "x", 1, 0600), 0);
	assert_int_equal(symlinkat("/nowhere", folder->fd, "link"), 0);
	assert_int_equal(dir_sync_files(folder->fd), 0);
	assert_int_equal(file_read(folder->fd, "new", 10, &text, NULL), 0);
	assert_string_equal(text, "abc");
}

static bool is_short(const char *name)
{
	return strlen(name) == 1;
}

static void test_folders_are_listed_from_the_first_entry_on(void **state)
{
	struct folder *folder = *state;
	_strv_ struct strv names = {0};
	static const char *const made[] = {"b", "long", "a", ".x"};

	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		assert_int_equal(file_write_new(folder->fd, made[i], "", 0, 0600), 0);
	for (int i = 0; i < 2; i++) {
		_dir_ DIR *stream = dir_list(folder->fd, ".");
		size_t count = 0;

		while (dir_next(stream))
			count++;
		assert_int_equal(count, ARRAY_SIZE(made));
	}
	assert_null(dir_next(NULL));
	assert_int_equal(dir_names(folder->fd, ".", is_short, &names), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "a");
	assert_string_equal(names.items[1], "b");
	assert_int_equal(dir_names(folder->fd, "nothing", NULL, &names), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folders_are_listed_from_the_first_entry_on, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(test_replace_and_read, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_trees, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_deep_trees, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_resolution_stays_inside, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_new_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_types_that_the_file_system_does_not_tell, make_folder,
						remove_folder),
		cmocka_unit_test(test_memfd_is_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
