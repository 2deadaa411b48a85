/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/qmp.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

struct line {
	struct qmp qmp;
	int pair[2];
	char heard[256];
};

static void on_event(const char *name, const json_t *data, void *user)
{
	struct line *line = user;

	strncat(line->heard, name, sizeof(line->heard) - strlen(line->heard) - 1);
}

static void line_open(struct line *line)
{
	char hello[256] = {0};

	*line = (struct line){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, line->pair), 0);
	assert_int_equal(qmp_init(&line->qmp, line->pair[0], on_event, line), 0);
	assert_true(read(line->pair[1], hello, sizeof(hello) - 1) > 0);
	assert_non_null(strstr(hello, "qmp_capabilities"));
}

static void line_close(struct line *line)
{
	qmp_release(&line->qmp);
	close(line->pair[0]);
	if (line->pair[1] >= 0)
		close(line->pair[1]);
}

static void say(struct line *line, const char *text)
{
	assert_int_equal(fd_write_all(line->pair[1], text, strlen(text)), 0);
}

/* However the line is cut, an event is heard once. */
static void test_events(void **state)
{
	static const char text[] =
		"{\"QMP\": {}}\r\n{\"return\": {}, \"id\": 1}\r\n{\"event\": \"SHUTDOWN\", \"data\": {}}\r\n";
	struct line line;

	line_open(&line);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(write(line.pair[1], text + i, 1), 1);
		assert_int_equal(qmp_process(&line.qmp), 0);
	}
	assert_string_equal(line.heard, "SHUTDOWN");
	line_close(&line);
}

static void test_commands(void **state)
{
	struct cor_error err = {0};
	struct line line;

	line_open(&line);
	say(&line, "{\"event\": \"STOP\"}\n{\"return\": {}, \"id\": 2}\n");
	assert_int_equal(qmp_execute(&line.qmp, "stop", NULL, NULL, 1000, &err), 0);
	assert_string_equal(line.heard, "STOP");
	say(&line, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"not now\"}, \"id\": 3}\n");
	assert_int_equal(qmp_execute(&line.qmp, "cont", NULL, NULL, 1000, &err), -EIO);
	assert_non_null(strstr(err.msg, "not now"));
	/* Nobody answers. */
	assert_int_equal(qmp_execute(&line.qmp, "cont", NULL, NULL, 1, &err), -ETIMEDOUT);
	assert_int_equal(err.status, COR_TIMEOUT);
	line_close(&line);
}

static void test_end(void **state)
{
	struct cor_error err = {0};
	struct line line;

	line_open(&line);
	close_fd(&line.pair[1]);
	assert_int_equal(qmp_process(&line.qmp), -ECONNRESET);
	assert_true(qmp_execute(&line.qmp, "stop", NULL, NULL, 1000, &err) < 0);
	assert_int_equal(err.status, COR_UNAVAILABLE);
	line_close(&line);
}

static void test_nonsense(void **state)
{
	static const char *const bad[] = {"[]\n", "hello\n", "\n", "{\"a\":1,\"a\":2}\n"};
	struct line line;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		line_open(&line);
		say(&line, bad[i]);
		assert_int_equal(qmp_process(&line.qmp), -EPROTO);
		line_close(&line);
	}
}

/* A line without an end does not fill memory. */
static void test_long_line(void **state)
{
	char block[4096];
	struct line line;
	int r = 0;
	size_t sent = 0;

	memset(block, ' ', sizeof(block));
	line_open(&line);
	for (; r == 0 && sent < 4 * QMP_LINE_MAX; sent += sizeof(block)) {
		assert_int_equal(fd_write_all(line.pair[1], block, sizeof(block)), 0);
		r = qmp_process(&line.qmp);
	}
	assert_int_equal(r, -EPROTO);
	assert_true(sent <= QMP_LINE_MAX + 2 * sizeof(block));
	line_close(&line);
}

/* One that talks without end, faster than it is heard, does not keep its owner. */
static void test_flood(void **state)
{
	static const char event[] = "{\"event\": \"X\"}\n";
	int talker, status;
	struct line line;

	line_open(&line);
	talker = fork();
	if (talker == 0)
		while (write(line.pair[1], event, sizeof(event) - 1) > 0)
			;
	assert_true(talker > 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(qmp_process(&line.qmp), 0);
	kill(talker, SIGKILL);
	waitpid(talker, &status, 0);
	line_close(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),    cmocka_unit_test(test_commands),
		cmocka_unit_test(test_end),       cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_long_line), cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
