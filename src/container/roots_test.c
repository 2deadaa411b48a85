/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of the two roots, and who may own them. */
#include "container/roots.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
	char folder[40];
	char *data, *run;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/coracle-roots-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->data = str_format("%s/a/data", f->folder);
	f->run = str_format("%s/b/run", f->folder);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tree_remove(AT_FDCWD, f->folder);
	free(f->data);
	free(f->run);
	free(f);
	return 0;
}

static int open_both(const struct fixture *f, struct cor_error *err)
{
	struct roots roots = {.data_fd = -1, .run_fd = -1};
	int r = roots_open(f->data, f->run, &roots, err);

	roots_release(&roots);
	return r;
}

static void set_format(const char *root, const char *text)
{
	_free_ char *path = str_format("%s/format", root);

	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

static void assert_format(const char *root, const char *expected)
{
	_free_ char *path = str_format("%s/format", root), *text = NULL;

	assert_int_equal(file_read(AT_FDCWD, path, 64, &text, NULL), 0);
	assert_string_equal(text, expected);
}

static void test_made(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(open_both(f, NULL), 0);
	assert_format(f->data, "1\n");
	assert_format(f->run, "1\n");
	assert_int_equal(stat(f->data, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* Again, as every command does. */
	assert_int_equal(open_both(f, NULL), 0);
}

static void test_newer(void **state)
{
	struct fixture *f = *state;
	const char *const roots[] = {f->data, f->run};

	assert_int_equal(open_both(f, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		struct cor_error err = {0};

		set_format(roots[i], "2\n");
		assert_int_equal(open_both(f, &err), -EPROTONOSUPPORT);
		assert_int_equal(err.status, COR_UNSUPPORTED);
		assert_non_null(strstr(err.msg, roots[i]));
		assert_non_null(strstr(err.msg, "newer coracle"));
		assert_format(roots[i], "2\n");
		set_format(roots[i], "1\n");
	}
}

/* What is in an older root stays, and its number changes. */
static void test_older(void **state)
{
	struct fixture *f = *state;
	_free_ char *kept = str_format("%s/names/kept", f->data);

	assert_int_equal(open_both(f, NULL), 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, kept, "x", 1, 0600), 0);
	set_format(f->data, "0\n");
	set_format(f->run, "0\n");
	assert_int_equal(open_both(f, NULL), 0);
	assert_format(f->data, "1\n");
	assert_format(f->run, "1\n");
	assert_int_equal(access(kept, F_OK), 0);
}

static void test_no_number(void **state)
{
	static const char *const bad[] = {"", "one\n", "-1\n", "1 2\n", "99999999999999999999\n"};
	struct fixture *f = *state;

	assert_int_equal(open_both(f, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_error err = {0};

		set_format(f->data, bad[i]);
		assert_true(open_both(f, &err) < 0);
		assert_int_equal(err.status, COR_CORRUPT);
		assert_non_null(strstr(err.msg, "format"));
	}
}

static void test_open_to_others(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};

	assert_int_equal(open_both(f, NULL), 0);
	assert_int_equal(chmod(f->run, 0777), 0);
	assert_true(open_both(f, &err) < 0);
	assert_int_equal(err.status, COR_PERMISSION);
	assert_non_null(strstr(err.msg, f->run));
}

/* An ordinary user without a runtime folder has one in /tmp, where another may have been before: with a link, or with a folder of their own. */
static int open_as_user(uid_t uid, const char *data)
{
	struct roots roots = {.data_fd = -1, .run_fd = -1};
	struct cor_error err = {0};
	int r;

	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("CORACLE_RUNTIME_DIR");
	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return 100;
	r = roots_open(data, NULL, &roots, &err);
	roots_release(&roots);
	return r < 0 ? (int)err.status : 0;
}

static int in_child(uid_t uid, const char *data)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(open_as_user(uid, data));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_prepared_by_others(void **state)
{
	const uid_t uid = 54329, other = 54330;
	_free_ char *base = str_format("/tmp/coracle-%u", uid);
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->folder, 0755), 0);
	assert_int_equal(dir_make_all(AT_FDCWD, f->data, 0755), 0);
	assert_int_equal(chown(f->data, uid, uid), 0);
	assert_int_equal(chmod(f->data, 0700), 0);
	tree_remove(AT_FDCWD, base);
	assert_int_equal(in_child(uid, f->data), 0);
	tree_remove(AT_FDCWD, base);
	/* Theirs, and everybody may write. */
	assert_int_equal(mkdir(base, 0777), 0);
	assert_int_equal(chmod(base, 0777), 0);
	assert_int_equal(chown(base, other, other), 0);
	assert_int_equal(in_child(uid, f->data), COR_PERMISSION);
	assert_int_equal(rmdir(base), 0);
	/* A link to a folder of the user's own. */
	assert_int_equal(symlink(f->data, base), 0);
	assert_int_equal(in_child(uid, f->data), COR_PERMISSION);
	assert_int_equal(unlink(base), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_made),      TEST(test_newer),          TEST(test_older),
		TEST(test_no_number), TEST(test_open_to_others), TEST(test_prepared_by_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
