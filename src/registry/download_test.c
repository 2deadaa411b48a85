/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs from registries that break, lie and stall. */
#include "registry/test_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct fixture {
	struct test_server *server;
	struct registry *registry;
	struct test_download download;
};

static void release(struct fixture *f)
{
	registry_free(f->registry);
	test_server_free(f->server);
	test_download_release(&f->download);
}
#define _fixture_ _cleanup_(release)

static struct fixture begin(void)
{
	struct fixture f = {.server = test_server_new()};

	f.registry = test_client_new(f.server, "http", NULL, REGISTRY_PULL);
	return f;
}

/* Runs a download of size bytes from offset. */
static void run(struct fixture *f, uint64_t size, uint64_t offset)
{
	test_download_begin(&f->download, f->registry, size, offset);
	test_client_run(f->registry);
	assert_int_equal(f->download.ends, 1);
}

static void assert_got(const struct fixture *f, const char *text)
{
	if (f->download.status.status != COR_OK)
		fail_msg("%s", f->download.status.msg);
	assert_int_equal(buffer_size(&f->download.got), strlen(text));
	assert_memory_equal(buffer_bytes(&f->download.got), text, strlen(text));
}

static void test_a_blob(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_body(f.server, "200 OK", "", "0123456789");
	run(&f, 10, 0);
	assert_got(&f, "0123456789");
	assert_asked(f.server, 0, "GET /v2/a/b/blobs/sha256:aaaa");
	assert_int_equal(test_server_count(f.server), 1);
	assert_null(strstr(test_server_request(f.server, 0), "Range:"));
}

static void test_a_reset_is_resumed_from_where_it_was(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_reset(f.server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
	test_server_answer(f.server, "HTTP/1.1 206 Partial\r\nContent-Length: 6\r\nContent-Range: bytes "
				     "4-9/10\r\n\r\n456789");
	run(&f, 10, 0);
	assert_got(&f, "0123456789");
	assert_asked(f.server, 1, "Range: bytes=4-9\r\n");
	assert_int_equal(f.download.retries, 1);
}

static void test_what_the_caller_has_is_not_sent_to_him(void **state)
{
	_fixture_ struct fixture f = begin();

	/* This one knows no ranges. */
	test_server_body(f.server, "200 OK", "", "0123456789");
	run(&f, 10, 7);
	assert_got(&f, "789");
	assert_asked(f.server, 0, "Range: bytes=7-9\r\n");
}

static void test_nothing_is_asked_for_when_nothing_is_missing(void **state)
{
	_fixture_ struct fixture f = begin();

	run(&f, 10, 10);
	assert_got(&f, "");
	assert_int_equal(test_server_count(f.server), 0);
}

static void expect_lie(uint64_t offset, const char *answer, const char *says)
{
	_fixture_ struct fixture f = begin();

	test_server_answer(f.server, "%s", answer);
	run(&f, 10, offset);
	assert_int_equal(f.download.status.status, COR_CORRUPT);
	if (!strstr(f.download.status.msg, says))
		fail_msg("%s", f.download.status.msg);
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_lies_about_sizes_and_parts(void **state)
{
	expect_lie(0, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", "11 bytes");
	expect_lie(0, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n012", "3 bytes");
	expect_lie(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
		   "more than");
	expect_lie(
		0,
		"HTTP/1.1 206 Partial\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/10\r\n\r\n0123456789",
		"another part");
	expect_lie(4,
		   "HTTP/1.1 206 Partial\r\nContent-Length: 6\r\nContent-Range: bytes 3-8/10\r\n\r\n345678",
		   "another part");
	expect_lie(4, "HTTP/1.1 206 Partial\r\nContent-Length: 6\r\n\r\n456789", "another part");
	expect_lie(4,
		   "HTTP/1.1 206 Partial\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/20\r\n\r\n456789",
		   "bytes");
	expect_lie(4,
		   "HTTP/1.1 206 Partial\r\nContent-Length: 8\r\nContent-Range: bytes 4-9/10\r\n\r\n45678901",
		   "bytes");
	expect_lie(4, "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", "less of it");
	expect_lie(0, "HTTP/1.1 204 None\r\n\r\n", "204");
}

static void test_an_end_without_a_length_is_not_believed(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_answer(f.server,
			   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n0\r\n\r\n");
	test_server_answer(
		f.server,
		"HTTP/1.1 206 Partial\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/*\r\n\r\n456789");
	run(&f, 10, 0);
	assert_got(&f, "0123456789");
}

static void test_an_endless_body_is_cut(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_endless(f.server, "HTTP/1.1 200 OK\r\n\r\n", "0123456789");
	run(&f, 1000, 0);
	assert_int_equal(f.download.status.status, COR_CORRUPT);
	assert_true(buffer_size(&f.download.got) <= 1000);
}

static void test_an_endless_head_is_cut(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_endless(f.server, "HTTP/1.1 200 OK\r\n",
			    "X-Filler: 0123456789012345678901234567890123456789\r\n");
	run(&f, 10, 0);
	assert_int_equal(f.download.status.status, COR_CORRUPT);
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_an_endless_refusal_is_cut(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_endless(f.server, "HTTP/1.1 404 Not Found\r\n\r\n", "0123456789");
	run(&f, 10, 0);
	assert_int_equal(f.download.status.status, COR_NOT_FOUND);
}

static void test_a_silent_registry_is_given_up(void **state)
{
	_fixture_ struct fixture f = begin();

	for (int i = 0; i < 2; i++)
		test_server_silence(f.server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
	run(&f, 10, 0);
	assert_int_equal(f.download.status.status, COR_TIMEOUT);
	assert_int_equal(test_server_count(f.server), 2);
}

static void test_it_is_not_tried_for_ever(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_reset(f.server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0");
	test_server_reset(f.server,
			  "HTTP/1.1 206 OK\r\nContent-Length: 9\r\nContent-Range: bytes 1-9/10\r\n\r\n1");
	test_server_reset(f.server,
			  "HTTP/1.1 206 OK\r\nContent-Length: 8\r\nContent-Range: bytes 2-9/10\r\n\r\n2");
	run(&f, 10, 0);
	assert_int_equal(f.download.status.status, COR_UNAVAILABLE);
	assert_int_equal(test_server_count(f.server), 3);
	assert_int_equal(f.download.retries, 2);
}

static void test_too_many_requests(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_body(f.server, "429 Slow Down", "Retry-After: 0\r\n", "");
	test_server_body(f.server, "503 Not Now", "", "");
	test_server_body(f.server, "200 OK", "", "0123456789");
	run(&f, 10, 0);
	assert_got(&f, "0123456789");
	assert_int_equal(f.download.retries, 2);
}

static void test_nobody_waits_for_an_hour(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_body(f.server, "429 Slow Down", "Retry-After: 3600\r\n",
			 "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"pull rate limit\"}]}");
	run(&f, 10, 0);
	assert_int_equal(f.download.status.status, COR_UNAVAILABLE);
	assert_non_null(strstr(f.download.status.msg, "pull rate limit"));
	assert_non_null(strstr(f.download.status.msg, "3600"));
	assert_int_equal(test_server_count(f.server), 1);
}

static int refuse(void *userdata, const void *data, size_t size, struct cor_error *err)
{
	return cor_fail(err, COR_EXHAUSTED, ENOSPC, "the disk is full");
}

static void test_the_callers_failure_is_the_downloads(void **state)
{
	_fixture_ struct fixture f = begin();

	test_server_body(f.server, "200 OK", "", "0123456789");
	test_download_begin(&f.download, f.registry, 10, 0);
	f.download.d.on_data = refuse;
	registry_free(f.registry);
	f.registry = test_client_new(f.server, "http", NULL, REGISTRY_PULL);
	registry_download(f.registry, &f.download.d);
	test_client_run(f.registry);
	assert_int_equal(f.download.ends, 1);
	assert_int_equal(f.download.status.status, COR_EXHAUSTED);
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_only_so_many_run_at_once(void **state)
{
	_fixture_ struct fixture f = begin();
	struct test_download more[8];
	struct cor_error err;
	size_t running;

	for (int i = 0; i < 3; i++)
		test_server_silence(f.server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		test_download_begin(&more[i], f.registry, 10, 0);
	while (test_server_count(f.server) < 3)
		assert_int_equal(registry_run(f.registry, 10, &running, &err), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(registry_run(f.registry, 10, &running, &err), 0);
	assert_int_equal(running, 8);
	assert_int_equal(test_server_count(f.server), 3);
	/* Nobody is called any more. */
	registry_free(steal_ptr(f.registry));
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		assert_int_equal(more[i].ends, 0);
		test_download_release(&more[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_blob),
		cmocka_unit_test(test_a_reset_is_resumed_from_where_it_was),
		cmocka_unit_test(test_what_the_caller_has_is_not_sent_to_him),
		cmocka_unit_test(test_nothing_is_asked_for_when_nothing_is_missing),
		cmocka_unit_test(test_lies_about_sizes_and_parts),
		cmocka_unit_test(test_an_end_without_a_length_is_not_believed),
		cmocka_unit_test(test_an_endless_body_is_cut),
		cmocka_unit_test(test_an_endless_head_is_cut),
		cmocka_unit_test(test_an_endless_refusal_is_cut),
		cmocka_unit_test(test_a_silent_registry_is_given_up),
		cmocka_unit_test(test_it_is_not_tried_for_ever),
		cmocka_unit_test(test_too_many_requests),
		cmocka_unit_test(test_nobody_waits_for_an_hour),
		cmocka_unit_test(test_the_callers_failure_is_the_downloads),
		cmocka_unit_test(test_only_so_many_run_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
