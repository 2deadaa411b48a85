/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static int take(struct answer *answer, const char *line)
{
	return answer_take_line(answer, line, strlen(line), NULL);
}

static void test_a_head(void **state)
{
	_answer_ struct answer answer = {.content_length = -1};

	assert_int_equal(take(&answer, "HTTP/1.1 100 Continue\r\n"), 0);
	assert_int_equal(take(&answer, "Location: /dropped\r\n"), 0);
	assert_int_equal(take(&answer, "\r\n"), 0);
	assert_int_equal(take(&answer, "HTTP/1.1 401 Unauthorized\r\n"), 0);
	assert_false(answer.whole);
	assert_null(answer.location);
	assert_int_equal(take(&answer, "www-authenticate: Basic realm=\"x\"\r\n"), 0);
	assert_int_equal(take(&answer, "WWW-Authenticate:Bearer realm=\"y\" \r\n"), 0);
	assert_int_equal(take(&answer, "CONTENT-LENGTH: 12\r\n"), 0);
	assert_int_equal(take(&answer, "\r\n"), 0);
	assert_true(answer.whole);
	assert_int_equal(answer.status, 401);
	assert_int_equal(answer.content_length, 12);
	assert_int_equal(answer.challenges.count, 2);
	assert_string_equal(answer.challenges.items[1], "Bearer realm=\"y\"");
	assert_int_equal(take(&answer, "Location: /trailer\r\n"), 0);
	assert_null(answer.location);
}

static void test_heads_that_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{"HTTP/1.1 200 OK\r\n", "Content-Length: -1\r\n"},
		{"HTTP/1.1 200 OK\r\n", "Content-Length: 5, 5\r\n"},
		{"HTTP/1.1 200 OK\r\n", "Content-Length: 99999999999999999999\r\n"},
		{"HTTP/1.1 200 OK\r\n", "Location: /a\tb\x01\r\n"},
		{"HTTP/1.1 999 Odd\r\n", NULL},
		{"HTTP/1.1 abc\r\n", NULL},
		{"HTTP/1.1\r\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_answer_ struct answer answer = {.content_length = -1};
		int r = take(&answer, bad[i][0]);

		if (bad[i][1]) {
			assert_int_equal(r, 0);
			r = take(&answer, bad[i][1]);
		}
		assert_int_equal(r, -EBADMSG);
	}
}

static void test_headers_that_contradict_each_other(void **state)
{
	static const char *const pairs[][2] = {
		{"Location: /a", "Location: /b"},
		{"Content-Length: 1", "Content-Length: 2"},
		{"Content-Range: bytes 0-1/2", "Content-Range: bytes 1-1/2"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_answer_ struct answer answer = {.content_length = -1};

		assert_int_equal(take(&answer, "HTTP/1.1 200 OK"), 0);
		assert_int_equal(take(&answer, pairs[i][0]), 0);
		assert_int_equal(take(&answer, pairs[i][0]), 0);
		assert_int_equal(take(&answer, pairs[i][1]), -EBADMSG);
	}
}

static void test_a_head_ends(void **state)
{
	_answer_ struct answer answer = {.content_length = -1};
	int r = take(&answer, "HTTP/1.1 200 OK\r\n"), lines = 0;

	while (r == 0 && lines++ < 100000)
		r = take(&answer,
			 lines % 2 ? "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n" : "HTTP/1.1 100 Go\r\n");
	assert_int_equal(r, -EBADMSG);
	assert_true(lines < 10000);
}

static void test_retry_after(void **state)
{
	int64_t now = 784111770; /* 1994-11-06 08:49:30 */

	assert_int_equal(retry_after_parse("0", now), 0);
	assert_int_equal(retry_after_parse("120", now), 120000);
	assert_int_equal(retry_after_parse("Sun, 06 Nov 1994 08:49:37 GMT", now), 7000);
	assert_int_equal(retry_after_parse("Sun, 06 Nov 1994 08:49:00 GMT", now), 0);
	assert_int_equal(retry_after_parse("", now), -EINVAL);
	assert_int_equal(retry_after_parse("-1", now), -EINVAL);
	assert_int_equal(retry_after_parse("1.5", now), -EINVAL);
	assert_int_equal(retry_after_parse("soon", now), -EINVAL);
	assert_int_equal(retry_after_parse("99999999999999999999", now), -EINVAL);
	assert_int_equal(retry_after_parse("9223372036854775807", now), -EINVAL);
}

static void test_content_range(void **state)
{
	int64_t first = -7, last = -7, total = -7;

	assert_int_equal(content_range_parse("bytes 5-9/10", &first, &last, &total), 0);
	assert_int_equal(first, 5);
	assert_int_equal(last, 9);
	assert_int_equal(total, 10);
	assert_int_equal(content_range_parse("Bytes 0-0/*", &first, &last, &total), 0);
	assert_int_equal(total, -1);
	static const char *const bad[] = {"",
					  "bytes 5-9",
					  "bytes 9-5/10",
					  "bytes 5-10/10",
					  "bytes */10",
					  "items 0-1/2",
					  "bytes=0-1/2",
					  "bytes 0-1/2x",
					  "bytes -1-2/3",
					  "bytes 0-/3",
					  "bytes 0-99999999999999999999/*"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(content_range_parse(bad[i], &first, &last, &total), -EINVAL);
}

static void test_upload_range(void **state)
{
	int64_t next = -7;

	assert_int_equal(upload_range_parse("0-99", &next), 0);
	assert_int_equal(next, 100);
	assert_int_equal(upload_range_parse("bytes=0-9", &next), 0);
	assert_int_equal(next, 10);
	assert_int_equal(upload_range_parse("0-0", &next), 0);
	assert_int_equal(next, 0);
	assert_int_equal(upload_range_parse("5-9", &next), -EINVAL);
	assert_int_equal(upload_range_parse("0-", &next), -EINVAL);
	assert_int_equal(upload_range_parse("0--1", &next), -EINVAL);
	assert_int_equal(upload_range_parse("", &next), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_head),
		cmocka_unit_test(test_heads_that_are_refused),
		cmocka_unit_test(test_headers_that_contradict_each_other),
		cmocka_unit_test(test_a_head_ends),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_content_range),
		cmocka_unit_test(test_upload_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
