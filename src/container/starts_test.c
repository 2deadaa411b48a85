/* SPDX-License-Identifier: Apache-2.0 */
#include "container/starts.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <cmocka.h>

#define SHIMS 4
#define EACH  50

static int setup(void **state)
{
	static struct roots roots;
	char path[] = "/tmp/starts.XXXXXX";

	assert_non_null(mkdtemp(path));
	roots = (struct roots){.data_fd = -1, .run = xstrdup(path)};
	roots.run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &roots;
	return 0;
}

static int teardown(void **state)
{
	struct roots *roots = *state;

	close_fd(&roots->run_fd);
	tree_remove(AT_FDCWD, roots->run);
	free(roots->run);
	return 0;
}

static void assert_counts(const struct roots *roots, const char *expected)
{
	_json_ json_t *counts = starts_read(roots);
	_free_ char *text = json_dumps(counts, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, expected);
}

static void test_counts(void **state)
{
	assert_counts(*state, "{}");
	starts_count(*state, "restored", NULL);
	starts_count(*state, "booted", "it was asked for");
	starts_count(*state, "booted", "it was asked for");
	starts_count(*state, "booted", "none is saved");
	assert_counts(*state, "{\"booted\":{\"it was asked for\":2,\"none is saved\":1},\"restored\":1}");
}

static void test_damaged(void **state)
{
	struct roots *roots = *state;
	_fd_ int fd = openat(roots->run_fd, "starts.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, "{\"restored\":7,", 14), 14);
	assert_counts(roots, "{}");
	starts_count(roots, "restored", NULL);
	assert_counts(roots, "{\"restored\":1}");
}

/* By a process that was stopped, for example. */
static void test_held(void **state)
{
	struct roots *roots = *state;
	_fd_ int fd = -1;

	starts_count(roots, "restored", NULL);
	fd = openat(roots->run_fd, "starts.json", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	starts_count(roots, "restored", NULL);
	assert_counts(roots, "{\"restored\":1}");
	close_fd(&fd);
	starts_count(roots, "restored", NULL);
	assert_counts(roots, "{\"restored\":2}");
}

static void test_at_once(void **state)
{
	_json_ json_t *counts = NULL;

	for (int i = 0; i < SHIMS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		for (int j = 0; pid == 0 && j < EACH; j++)
			starts_count(*state, "restored", NULL);
		if (pid == 0)
			_exit(0);
	}
	while (wait(NULL) > 0)
		;
	/* Some may be lost, but none is counted twice, and what is written stays whole. */
	counts = starts_read(*state);
	assert_in_range(json_integer_value(json_object_get(counts, "restored")), 1, SHIMS * EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
