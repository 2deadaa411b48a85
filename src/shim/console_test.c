/* SPDX-License-Identifier: Apache-2.0 */
/* What is read out of a guest's console, and what is kept of it. */
#include "shim/shim.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	struct shim shim;
	char folder[48];
	int fd;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/coracle-console-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(rotating_open(&f->shim.console_log, f->fd, "console.log", 4096, 2), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rotating_close(&f->shim.console_log);
	buffer_release(&f->shim.console_line);
	close(f->fd);
	tree_remove(AT_FDCWD, f->folder);
	free(f);
	return 0;
}

static void feed(struct fixture *f, const char *text)
{
	console_feed(&f->shim, text, strlen(text));
}

/* However the line is cut. */
static void test_a_panic(void **state)
{
	static const char text[] = "[    1.0] Out of memory: Killed process 1\r\n"
				   "[    1.5] Kernel panic - not syncing: VFS: Unable to mount root\r\n"
				   "[    1.6] Kernel panic - not syncing: another\n";
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		console_feed(&f->shim, text + i, 1);
	assert_string_equal(f->shim.panic, "VFS: Unable to mount root");
	/* A process ran out of memory, the kernel died of something else. */
	assert_false(f->shim.guest_oom);
}

static void test_a_panic_for_want_of_memory(void **state)
{
	static const char *const reasons[] = {"System is deadlocked on memory",
					      "Out of memory and no killable processes...",
					      "Out of memory: system-wide panic_on_oom is enabled"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		f->shim.panic[0] = '\0';
		f->shim.guest_oom = false;
		feed(f, "[    1.5] Kernel panic - not syncing: ");
		feed(f, reasons[i]);
		feed(f, "\r\n");
		assert_string_equal(f->shim.panic, reasons[i]);
		assert_true(f->shim.guest_oom);
	}
}

/* It is a message for people at a terminal. */
static void test_a_panic_that_is_none_of_the_kernels(void **state)
{
	struct fixture *f = *state;

	feed(f, "Kernel panic - not syncing: harmless\x1b[2J\x1b]0;owned\n");
	assert_string_equal(f->shim.panic, "harmless");
	f->shim.panic[0] = '\0';
	feed(f, "Kernel panic - not syncing: \x9b");
	feed(f, "31m\n");
	assert_string_equal(f->shim.panic, "");
	/* A NUL hides nothing, and ends nothing. */
	console_feed(&f->shim, "Kernel pa\0nic - not syncing: x\n", 31);
	assert_string_equal(f->shim.panic, "x");
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	struct stat st, old;
	char noise[1000];

	memset(noise, 'x', sizeof(noise));
	for (int i = 0; i < 100; i++) {
		console_feed(&f->shim, noise, sizeof(noise));
		assert_true(buffer_size(&f->shim.console_line) <= 1024);
	}
	assert_int_equal(fstatat(f->fd, "console.log", &st, 0), 0);
	assert_int_equal(fstatat(f->fd, "console.log.1", &old, 0), 0);
	assert_true(st.st_size <= 4096 && old.st_size <= 4096);
	assert_true(fstatat(f->fd, "console.log.2", &st, 0) < 0);
	/* A panic after a line without an end is still found. */
	feed(f, "\nKernel panic - not syncing: late\n");
	assert_string_equal(f->shim.panic, "late");
}

static void test_text(void **state)
{
	char out[8];

	text_copy(out, sizeof(out), "0123456789");
	assert_string_equal(out, "0123456");
	text_copy(out, sizeof(out), "ab\tcd");
	assert_string_equal(out, "ab");
	text_copy(out, sizeof(out), "");
	assert_string_equal(out, "");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_panic),
		TEST(test_a_panic_for_want_of_memory),
		TEST(test_a_panic_that_is_none_of_the_kernels),
		TEST(test_bounds),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
