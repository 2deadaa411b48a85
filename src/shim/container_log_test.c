/* SPDX-License-Identifier: Apache-2.0 */
/* The json-file log: what is written, and what the library's reader makes of it, also across rotations. */
#include "shim/container_log.h"

#include "base/file.h"
#include "base/str.h"
#include "container/log_reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define NOW INT64_C(1000000000123456789)

struct folder {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct folder *folder = test_calloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/coracle-log.XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = folder;
	return folder->fd < 0;
}

static int teardown(void **state)
{
	struct folder *folder = *state;

	close(folder->fd);
	tree_remove(AT_FDCWD, folder->path);
	test_free(folder);
	return 0;
}

static void add(struct container_log *log, bool is_stderr, const char *text)
{
	assert_int_equal(container_log_add(log, is_stderr, (const uint8_t *)text, strlen(text), NOW), 0);
}

static void assert_file(const struct folder *folder, const char *expected)
{
	_free_ char *text = NULL;

	assert_int_equal(file_read(folder->fd, "log", 1 << 20, &text, NULL), 0);
	assert_string_equal(text, expected);
}

#define TIME "\"time\":\"2001-09-09T01:46:40.123456789Z\""

static void lines_become_records(void **state)
{
	struct container_log log = {0};

	assert_int_equal(container_log_open(&log, ((struct folder *)*state)->fd, 1 << 20, 2), 0);
	add(&log, false, "one\ntw");
	add(&log, true, "err\n");
	add(&log, false, "o\n\"q\" \\ \t\x01\n");
	add(&log, false, "rest");
	container_log_close(&log, NOW);
	assert_file(*state, "{\"log\":\"one\\n\",\"stream\":\"stdout\"," TIME "}\n"
			    "{\"log\":\"err\\n\",\"stream\":\"stderr\"," TIME "}\n"
			    "{\"log\":\"two\\n\",\"stream\":\"stdout\"," TIME "}\n"
			    "{\"log\":\"\\\"q\\\" \\\\ \\t\\u0001\\n\",\"stream\":\"stdout\"," TIME "}\n"
			    "{\"log\":\"rest\",\"stream\":\"stdout\"," TIME "}\n");
}

static void assert_escaped(const char *bytes, size_t size, const char *expected)
{
	_buffer_ struct buffer out = {0};

	json_escape(&out, (const uint8_t *)bytes, size);
	buffer_append(&out, "", 1);
	assert_string_equal((char *)buffer_bytes(&out), expected);
}

static void escaping_keeps_utf8_and_replaces_what_is_none(void **state)
{
	assert_escaped("", 0, "\"\"");
	assert_escaped("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* A stray continuation, an overlong form, a surrogate, a cut sequence, beyond U+10FFFF. */
	assert_escaped("\x80", 1, "\"\xef\xbf\xbd\"");
	assert_escaped("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_escaped("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_escaped("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_escaped("\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_escaped("\0", 1, "\"\\u0000\"");
}

static int count(void *user, const struct log_line *line)
{
	size_t *sum = user;

	sum[0]++;
	sum[1] += line->size;
	return 0;
}

static void long_lines_are_cut(void **state)
{
	struct folder *folder = *state;
	struct container_log log = {0};
	_free_ char *line = xmalloc(3 * LOG_LINE_MAX);
	size_t sums[2] = {0};
	_cleanup_(log_reader_release) struct log_reader reader = {
		.dir = folder->fd, .name = "log", .filter = {.tail = -1}, .take = count, .user = sums};

	memset(line, 'x', 3 * LOG_LINE_MAX);
	line[3 * LOG_LINE_MAX - 1] = '\n';
	assert_int_equal(container_log_open(&log, folder->fd, 1 << 20, 2), 0);
	assert_int_equal(container_log_add(&log, false, (uint8_t *)line, 3 * LOG_LINE_MAX, NOW), 0);
	container_log_close(&log, NOW);
	log_reader_open(&reader);
	assert_int_equal(log_reader_read(&reader), 0);
	assert_int_equal(sums[0], 3);
	assert_int_equal(sums[1], 3 * LOG_LINE_MAX);
}

/* ---- reading ---- */

struct collected {
	struct buffer text;
	size_t limit; /* of records per reading */
	size_t taken;
};

static int collect(void *user, const struct log_line *line)
{
	struct collected *collected = user;

	buffer_append(&collected->text, line->text, line->size);
	return ++collected->taken == collected->limit;
}

static void assert_collected(struct collected *collected, const char *expected)
{
	buffer_append(&collected->text, "", 1);
	assert_string_equal((char *)buffer_bytes(&collected->text), expected);
	buffer_clear(&collected->text);
	collected->taken = 0;
}

static void a_reader_follows_rotations(void **state)
{
	struct folder *folder = *state;
	struct container_log log = {0};
	struct collected collected = {0};
	_cleanup_(log_reader_release) struct log_reader reader = {
		.dir = folder->fd, .name = "log", .filter = {.tail = 2}, .take = collect, .user = &collected};

	/* Each record has some 75 bytes: two fill a file. */
	assert_int_equal(container_log_open(&log, folder->fd, 160, 4), 0);
	add(&log, false, "1\n2\n3\n");
	log_reader_open(&reader);
	assert_int_equal(log_reader_read(&reader), 0);
	assert_collected(&collected, "2\n3\n");
	for (int i = 4; i < 9; i++) {
		char text[] = {(char)('0' + i), '\n', 0};

		add(&log, false, text);
	}
	assert_int_equal(log_reader_read(&reader), 0);
	assert_collected(&collected, "4\n5\n6\n7\n8\n");
	container_log_close(&log, NOW);
	buffer_release(&collected.text);
}

static void a_reader_can_have_enough(void **state)
{
	struct folder *folder = *state;
	struct container_log log = {0};
	struct collected collected = {.limit = 2};
	_cleanup_(log_reader_release) struct log_reader reader = {.dir = folder->fd,
								  .name = "log",
								  .filter = {.tail = -1},
								  .take = collect,
								  .user = &collected};

	assert_int_equal(container_log_open(&log, folder->fd, 1 << 20, 2), 0);
	add(&log, false, "1\n2\n3\n");
	log_reader_open(&reader);
	assert_int_equal(log_reader_read(&reader), 1);
	assert_collected(&collected, "1\n2\n");
	assert_int_equal(log_reader_read(&reader), 0);
	assert_collected(&collected, "3\n");
	container_log_close(&log, NOW);
	buffer_release(&collected.text);
}

static void damage_is_left_out(void **state)
{
	struct folder *folder = *state;
	struct collected collected = {0};
	_cleanup_(log_reader_release) struct log_reader reader = {.dir = folder->fd,
								  .name = "log",
								  .filter = {.tail = -1, .since_ns = NOW},
								  .take = collect,
								  .user = &collected};
	static const char text[] = "{\"log\":\"old\\n\",\"time\":\"2000-01-01T00:00:00Z\"}\n"
				   "{\"log\":\"cut\n"
				   "{\"log\":\"good\\n\",\"stream\":\"stdout\"," TIME "}\n"
				   "{\"log\":\"unfinished\\n\",\"stream\":\"stdout\"," TIME "}";

	assert_int_equal(file_write_atomic(folder->fd, "log", text, sizeof(text) - 1, 0600), 0);
	log_reader_open(&reader);
	assert_int_equal(log_reader_read(&reader), 0);
	assert_int_equal(log_reader_finish(&reader), 0);
	assert_collected(&collected, "good\n");
	buffer_release(&collected.text);
}

/* ---- rotation ---- */

static void rotation_keeps_a_bound(void **state)
{
	struct folder *folder = *state;
	struct rotating log;
	struct stat st;

	assert_int_equal(rotating_open(&log, folder->fd, "r", 10, 2), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(rotating_write(&log, "12345678", 8), 0);
	rotating_close(&log);
	assert_int_equal(fstatat(folder->fd, "r", &st, 0), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(fstatat(folder->fd, "r.1", &st, 0), 0);
	assert_int_equal(fstatat(folder->fd, "r.2", &st, 0), -1);
}

static void a_log_that_cannot_be_written_says_so_once(void **state)
{
	struct rotating log;
	_fd_ int dir = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* /dev/full takes nothing: a disk without room. */
	assert_int_equal(rotating_open(&log, dir, "full", 1 << 20, 2), 0);
	assert_int_equal(rotating_write(&log, "x", 1), -ENOSPC);
	assert_int_equal(rotating_write(&log, "x", 1), 0);
	rotating_close(&log);
	/* A log that was never opened takes everything. */
	assert_int_equal(rotating_write(&(struct rotating){.fd = -1}, "x", 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_become_records, setup, teardown),
		cmocka_unit_test(escaping_keeps_utf8_and_replaces_what_is_none),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_follows_rotations, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_can_have_enough, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(rotation_keeps_a_bound, setup, teardown),
		cmocka_unit_test(a_log_that_cannot_be_written_says_so_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
