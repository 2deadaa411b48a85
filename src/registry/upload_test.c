/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that go to registries that have them, take them, break, forget and lie. Pieces are 8 bytes here. */
#include "base/file.h"
#include "registry/test_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define QUERY  "digest=sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct fixture {
	struct test_server *server, *other;
	struct registry *registry;
	struct registry_upload upload;
	unsigned retries, ends, exists, mounted;
	uint64_t done;
	struct cor_error status;
};

static void release(struct fixture *f)
{
	registry_free(f->registry);
	test_server_free(f->server);
	test_server_free(f->other);
	close_fd(&f->upload.fd);
}
#define _fixture_ _cleanup_(release)

static struct fixture begin(const char *user)
{
	struct fixture f = {.server = test_server_new(), .other = test_server_new(), .upload.fd = -1};

	f.registry = test_client_new(f.server, "http", user, REGISTRY_PUSH);
	return f;
}

static void note_state(void *userdata, enum cor_transfer_state state)
{
	struct fixture *f = userdata;

	f->retries += state == COR_TRANSFER_RETRYING;
	f->exists += state == COR_TRANSFER_EXISTS;
	f->mounted += state == COR_TRANSFER_MOUNTED;
}

static void note_progress(void *userdata, uint64_t done)
{
	((struct fixture *)userdata)->done = done;
}

static void note_end(void *userdata, const struct cor_error *status)
{
	struct fixture *f = userdata;

	f->status = *status;
	f->ends++;
}

static void run(struct fixture *f, const char *text, const char *from)
{
	f->upload = (struct registry_upload){
		.digest = DIGEST,
		.size = strlen(text),
		.fd = memfd_with("blob", text, strlen(text)),
		.from = from,
		.on_progress = note_progress,
		.on_state = note_state,
		.on_end = note_end,
		.userdata = f,
	};
	registry_upload(f->registry, &f->upload);
	test_client_run(f->registry);
	assert_int_equal(f->ends, 1);
}

static void assert_well(const struct fixture *f, size_t requests)
{
	if (f->status.status != COR_OK)
		fail_msg("%s", f->status.msg);
	assert_int_equal(test_server_count(f->server), requests);
}

static void test_it_is_there(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	test_server_answer(f.server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	run(&f, "01234", NULL);
	assert_well(&f, 1);
	assert_int_equal(f.exists, 1);
	assert_asked(f.server, 0, "HEAD /v2/a/b/blobs/" DIGEST " HTTP/1.1\r\n");
}

static void missing(struct fixture *f)
{
	test_server_answer(f->server, "HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n");
}

static void test_a_small_one_goes_whole(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1?state=x\r\n", "");
	test_server_body(f.server, "201 Created", "", "");
	run(&f, "01234", NULL);
	assert_well(&f, 3);
	assert_int_equal(f.done, 5);
	assert_asked(f.server, 1, "POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\n");
	assert_asked(f.server, 1, "Content-Length: 0\r\n");
	assert_asked(f.server, 2, "PUT /upload/1?state=x&" QUERY " HTTP/1.1\r\n");
	assert_asked(f.server, 2, "\r\n\r\n01234");
}

static void test_a_large_one_goes_in_pieces(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_body(f.server, "202 Go", "Location: /upload/2\r\nRange: 0-7\r\n", "");
	test_server_body(f.server, "202 Go", "Location: /upload/3\r\nRange: 0-11\r\n", "");
	test_server_body(f.server, "201 Created", "", "");
	run(&f, "0123456789ab", NULL);
	assert_well(&f, 5);
	assert_asked(f.server, 2, "PATCH /upload/1 HTTP/1.1\r\n");
	assert_asked(f.server, 2, "Content-Range: 0-7\r\n");
	assert_asked(f.server, 2, "\r\n\r\n01234567");
	assert_asked(f.server, 3, "PATCH /upload/2 HTTP/1.1\r\n");
	assert_asked(f.server, 3, "Content-Range: 8-11\r\n");
	assert_asked(f.server, 3, "\r\n\r\n89ab");
	assert_asked(f.server, 4, "PUT /upload/3?" QUERY " HTTP/1.1\r\n");
	assert_asked(f.server, 4, "Content-Length: 0\r\n");
}

static void test_another_repository_has_it(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "201 Created", "Location: /x\r\n", "");
	run(&f, "01234", "c/d");
	assert_well(&f, 2);
	assert_int_equal(f.mounted, 1);
	assert_asked(f.server, 1, "POST /v2/a/b/blobs/uploads/?mount=sha256%3Aaaaa");
	assert_asked(f.server, 1, "&from=c%2Fd HTTP/1.1\r\n");
}

static void test_a_mount_that_is_refused(void **state)
{
	static const char *const statuses[] = {"403 Forbidden", "405 Unsupported", "404 Not Found"};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		_fixture_ struct fixture f = begin(NULL);

		missing(&f);
		test_server_body(f.server, statuses[i], "", "");
		test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
		test_server_body(f.server, "201 Created", "", "");
		run(&f, "01234", "c/d");
		assert_well(&f, 4);
		assert_asked(f.server, 2, "POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\n");
	}
}

static void test_a_mount_that_becomes_an_upload(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_body(f.server, "201 Created", "", "");
	run(&f, "01234", "c/d");
	assert_well(&f, 3);
	assert_int_equal(f.mounted, 0);
}

static void test_a_broken_piece_goes_on_from_where_the_registry_says(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_reset(f.server, "HTTP/1.1 202 Go\r\n");
	test_server_answer(f.server, "HTTP/1.1 204 None\r\nLocation: /upload/2\r\nRange: 0-4\r\n\r\n");
	test_server_body(f.server, "202 Go", "Location: /upload/3\r\nRange: 0-11\r\n", "");
	test_server_body(f.server, "201 Created", "", "");
	run(&f, "0123456789ab", NULL);
	assert_well(&f, 6);
	assert_int_equal(f.retries, 1);
	assert_asked(f.server, 3, "GET /upload/1 HTTP/1.1\r\n");
	assert_asked(f.server, 4, "PATCH /upload/2 HTTP/1.1\r\n");
	assert_asked(f.server, 4, "Content-Range: 5-11\r\n");
	assert_asked(f.server, 4, "\r\n\r\n56789ab");
}

static void test_a_piece_is_taken_in_part(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\nRange: 0-3\r\n", "");
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\nRange: 0-11\r\n", "");
	test_server_body(f.server, "201 Created", "", "");
	run(&f, "0123456789ab", NULL);
	assert_well(&f, 5);
	assert_asked(f.server, 3, "Content-Range: 4-11\r\n");
}

static void test_a_forgotten_upload_begins_anew(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_body(f.server, "404 Gone", "", "");
	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/2\r\n", "");
	test_server_body(f.server, "201 Created", "", "");
	run(&f, "01234", NULL);
	assert_well(&f, 6);
	assert_asked(f.server, 5, "PUT /upload/2?");
}

static void test_a_lost_confirmation(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_reset(f.server, "HTTP/1.1 202 Go\r\n");
	test_server_answer(f.server, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	run(&f, "01234", NULL);
	assert_well(&f, 4);
}

static void test_a_registry_that_keeps_nothing(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	for (int i = 0; i < 10; i++) {
		test_server_body(f.server, "202 Go", "Location: /upload/1\r\nRange: 0-0\r\n", "");
		test_server_answer(f.server, "HTTP/1.1 204 None\r\nRange: 0-0\r\n\r\n");
	}
	run(&f, "0123456789ab", NULL);
	assert_int_equal(f.status.status, COR_UNAVAILABLE);
	assert_int_equal(test_server_count(f.server), 7);
}

static void expect_failure(const char *headers, enum cor_status status, const char *says)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", headers, "");
	run(&f, "0123456789ab", NULL);
	assert_error(&f.status, status, says);
	assert_int_equal(test_server_count(f.server), 2);
}

static void test_where_nothing_is_sent(void **state)
{
	expect_failure("", COR_CORRUPT, "where to send it");
	expect_failure("Location: file:///tmp/x\r\n", COR_CORRUPT, "neither https nor http");
	expect_failure("Location: http://u:p@127.0.0.1/x\r\n", COR_CORRUPT, "user or a password");
}

static void test_a_registry_that_claims_more_than_was_sent(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	test_server_body(f.server, "202 Go", "Range: 0-11\r\n", "");
	run(&f, "0123456789ab", NULL);
	assert_int_equal(f.status.status, COR_CORRUPT);
}

static void test_content_goes_elsewhere_without_the_password(void **state)
{
	_fixture_ struct fixture f = begin("alice");
	_free_ char *location = str_format("Location: http://%s/bucket\r\n", test_server_place(f.other));

	test_server_answer(
		f.server,
		"HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n");
	missing(&f);
	test_server_body(f.server, "202 Go", location, "");
	test_server_body(f.other, "201 Created", "", "");
	run(&f, "01234", NULL);
	assert_well(&f, 3);
	assert_asked(f.server, 2, "Authorization: Basic ");
	assert_asked(f.other, 0, "PUT /bucket?" QUERY " HTTP/1.1\r\n");
	assert_null(strstr(test_server_request(f.other, 0), "Authorization"));
}

/* Nothing is asked again that cannot help. */
static void assert_too_short(uint64_t size)
{
	_fixture_ struct fixture f = begin(NULL);

	missing(&f);
	test_server_body(f.server, "202 Go", "Location: /upload/1\r\n", "");
	f.upload = (struct registry_upload){.digest = DIGEST,
					    .size = size,
					    .fd = memfd_with("blob", "01234", 5),
					    .on_state = note_state,
					    .on_end = note_end,
					    .userdata = &f};
	registry_upload(f.registry, &f.upload);
	test_client_run(f.registry);
	assert_error(&f.status, COR_CORRUPT, "shorter");
	assert_int_equal(f.retries, 0);
}

static void test_a_file_that_is_too_short(void **state)
{
	assert_too_short(7);
	assert_too_short(17); /* goes in pieces */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_there),
		cmocka_unit_test(test_a_small_one_goes_whole),
		cmocka_unit_test(test_a_large_one_goes_in_pieces),
		cmocka_unit_test(test_another_repository_has_it),
		cmocka_unit_test(test_a_mount_that_is_refused),
		cmocka_unit_test(test_a_mount_that_becomes_an_upload),
		cmocka_unit_test(test_a_broken_piece_goes_on_from_where_the_registry_says),
		cmocka_unit_test(test_a_piece_is_taken_in_part),
		cmocka_unit_test(test_a_forgotten_upload_begins_anew),
		cmocka_unit_test(test_a_lost_confirmation),
		cmocka_unit_test(test_a_registry_that_keeps_nothing),
		cmocka_unit_test(test_where_nothing_is_sent),
		cmocka_unit_test(test_a_registry_that_claims_more_than_was_sent),
		cmocka_unit_test(test_content_goes_elsewhere_without_the_password),
		cmocka_unit_test(test_a_file_that_is_too_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
