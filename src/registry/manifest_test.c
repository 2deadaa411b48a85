/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, and with them what holds for all questions: redirects, refusals, schemes, mirrors. */
#include "oci/manifest.h"

#include "base/file.h"
#include "registry/test_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define TYPE "Content-Type: " MEDIA_TYPE_MANIFEST "\r\n"

struct fixture {
	struct test_server *server, *other;
	struct registry *registry;
	struct registry_manifest manifest;
	struct cor_error err;
};

static void release(struct fixture *f)
{
	registry_free(f->registry);
	test_server_free(f->server);
	test_server_free(f->other);
	registry_manifest_release(&f->manifest);
}
#define _fixture_ _cleanup_(release)

static struct fixture begin(const char *scheme, const char *user)
{
	struct fixture f = {.server = test_server_new(), .other = test_server_new()};

	f.registry = test_client_new(f.server, scheme, user, REGISTRY_PULL);
	return f;
}

static int get(struct fixture *f)
{
	registry_manifest_release(&f->manifest);
	return registry_get_manifest(f->registry, "latest", &f->manifest, &f->err);
}

static void assert_gets(struct fixture *f, const char *text)
{
	if (get(f) < 0)
		fail_msg("%s", f->err.msg);
	assert_string_equal(f->manifest.data, text);
	assert_int_equal(f->manifest.size, strlen(text));
	assert_string_equal(f->manifest.media_type, MEDIA_TYPE_MANIFEST);
}

static void assert_fails(struct fixture *f, enum cor_status status, const char *says)
{
	assert_true(get(f) < 0);
	assert_error(&f->err, status, says);
}

static void test_one_request(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	test_server_body(f.server, "200 OK", "Content-Type: " MEDIA_TYPE_MANIFEST "; charset=utf-8\r\n",
			 "{}");
	assert_gets(&f, "{}");
	assert_int_equal(test_server_count(f.server), 1);
	assert_asked(f.server, 0, "GET /v2/a/b/manifests/latest HTTP/1.1\r\n");
	assert_asked(f.server, 0, "User-Agent: coracle/");
	assert_asked(f.server, 0, MEDIA_TYPE_MANIFEST);
	assert_asked(f.server, 0, MEDIA_TYPE_INDEX);
	assert_asked(f.server, 0, MEDIA_TYPE_DOCKER_MANIFEST);
	assert_asked(f.server, 0, MEDIA_TYPE_DOCKER_INDEX);
	assert_null(strstr(test_server_request(f.server, 0), "Authorization"));
}

static void test_a_loopback_registry_without_tls(void **state)
{
	_fixture_ struct fixture f = begin(NULL, NULL);

	test_server_body(f.server, "200 OK", TYPE, "{}");
	test_server_body(f.server, "200 OK", TYPE, "{1}");
	assert_gets(&f, "{}");
	assert_gets(&f, "{1}");
	assert_int_equal(test_server_count(f.server), 2);
}

static void test_https_is_not_given_up_when_it_is_asked_for(void **state)
{
	_fixture_ struct fixture f = begin("https", NULL);

	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_fails(&f, COR_UNAVAILABLE, "; if it speaks plain HTTP: --scheme http");
	assert_int_equal(test_server_count(f.server), 0);
}

static void test_what_is_no_manifest(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	test_server_body(f.server, "200 OK", "Content-Type: text/html\r\n", "<html>");
	assert_fails(&f, COR_CORRUPT, "text/html");
	test_server_body(f.server, "200 OK", "", "{}");
	assert_fails(&f, COR_CORRUPT, "no type of a manifest");
	test_server_body(f.server, "200 OK", "Content-Type: application/json\r\n", "{}");
	assert_fails(&f, COR_CORRUPT, "application/json");
}

static void test_an_endless_manifest(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	test_server_endless(f.server, "HTTP/1.1 200 OK\r\n" TYPE "\r\n", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	assert_fails(&f, COR_CORRUPT, "more than 4194304 bytes");
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_refusals_say_what_the_registry_says(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	test_server_body(
		f.server, "404 Not Found", "",
		"{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest\\u001b[31m unknown\"}]}");
	assert_fails(&f, COR_NOT_FOUND, "(manifest?[31m unknown): there is no such image or tag");
	test_server_body(f.server, "403 Forbidden", "", "{\"errors\":[{\"code\":\"DENIED\"}]}");
	assert_fails(&f, COR_PERMISSION, "'coracle login 127.0.0.1:");
	test_server_body(f.server, "400 Bad", "Content-Type: text/plain\r\n", "what?\n");
	assert_fails(&f, COR_CORRUPT, "400 from 127.0.0.1");
	assert_non_null(strstr(f.err.msg, "(what?)"));
	for (int i = 0; i < 3; i++)
		test_server_body(f.server, "500 Oops", "", "");
	assert_fails(&f, COR_UNAVAILABLE, "500 from");
	assert_int_equal(test_server_count(f.server), 6);
}

static void test_nothing_is_there(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	test_server_free(f.server);
	f.server = NULL;
	assert_fails(&f, COR_UNAVAILABLE, "cannot connect");
}

static int give_up(void *userdata, const struct cor_transfer *transfers, size_t count)
{
	unsigned *calls = userdata;

	assert_null(transfers);
	assert_int_equal(count, 0);
	return ++*calls == 3;
}

static void test_a_call_is_cancelled(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);
	unsigned calls = 0;

	test_server_silence(f.server, "HTTP/1.1 200 OK\r\n");
	f.registry->progress = give_up;
	f.registry->userdata = &calls;
	assert_fails(&f, COR_CANCELLED, "cancelled");
	assert_int_equal(f.err.err, ECANCELED);
	assert_int_equal(calls, 3);
}

static void test_a_redirect_is_followed_without_the_password(void **state)
{
	_fixture_ struct fixture f = begin("http", "alice");
	_free_ char *location = str_format("Location: http://%s/elsewhere?x\r\n", test_server_place(f.other));

	test_server_body(f.server, "401 Who", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
	test_server_body(f.server, "307 There", location, "<a href>");
	test_server_body(f.other, "200 OK", TYPE, "{}");
	assert_gets(&f, "{}");
	assert_asked(f.server, 1, "Authorization: Basic YWxpY2U6c2VjcmV0\r\n");
	assert_asked(f.other, 0, "GET /elsewhere?x HTTP/1.1\r\n");
	assert_null(strstr(test_server_request(f.other, 0), "Authorization"));
}

/* CVE-2020-15157 */
static void test_a_challenge_from_elsewhere_is_not_answered(void **state)
{
	_fixture_ struct fixture f = begin("http", "alice");
	_free_ char *location = str_format("Location: http://%s/\r\n", test_server_place(f.other));

	test_server_body(f.server, "307 There", location, "");
	test_server_body(f.other, "401 Who", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
	assert_fails(&f, COR_PERMISSION, "401");
	assert_int_equal(test_server_count(f.other), 1);
}

static void test_a_redirect_loop(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	for (int i = 0; i < 20; i++)
		test_server_body(f.server, "302 Again", "Location: latest\r\n", "");
	assert_fails(&f, COR_CORRUPT, "more than 10 redirects");
	assert_int_equal(test_server_count(f.server), 11);
}

static void test_redirects_to_nowhere(void **state)
{
	_fixture_ struct fixture f = begin("http", NULL);

	test_server_body(f.server, "307 There", "Location: file:///etc/passwd\r\n", "");
	assert_fails(&f, COR_CORRUPT, "neither https nor http");
	test_server_body(f.server, "307 There", "", "");
	assert_fails(&f, COR_CORRUPT, "nowhere");
	test_server_body(f.server, "307 There", "Location: http://a@b/\r\n", "");
	assert_fails(&f, COR_CORRUPT, "user or a password");
	test_server_body(f.server, "307 There", "Location: /a\r\nLocation: /b\r\n", "");
	assert_fails(&f, COR_CORRUPT, "two headers");
}

/* ---- mirrors ---- */

static char *mirror_config(const struct fixture *f)
{
	char template[] = "/tmp/registry-test-XXXXXX";
	_free_ char *text = str_format(
		"{\"registries\":{\"%s\":{\"scheme\":\"http\",\"mirrors\":[\"http://%s/prefix\"]}}}",
		test_server_place(f->server), test_server_place(f->other));
	_free_ char *path = NULL;

	assert_non_null(mkdtemp(template));
	path = str_format("%s/registries.json", template);
	assert_int_equal(file_write_new(AT_FDCWD, path, text, strlen(text), 0600), 0);
	return xstrdup(template);
}

static struct fixture begin_with_mirror(enum registry_access access)
{
	struct fixture f = {.server = test_server_new(), .other = test_server_new()};
	_free_ char *folder = mirror_config(&f);
	struct cor_registry_options options = {.config_dir = folder};
	struct reference ref = {.domain = xstrdup(test_server_place(f.server)), .path = xstrdup("a/b")};
	struct limits limits = test_client_limits();

	if (registry_open_with(&ref, ref.domain, access, &options, &limits, NULL, &f.registry, &f.err) < 0)
		fail_msg("%s", f.err.msg);
	reference_release(&ref);
	tree_remove(AT_FDCWD, folder);
	return f;
}

static void test_a_mirror_comes_first(void **state)
{
	_fixture_ struct fixture f = begin_with_mirror(REGISTRY_PULL);

	test_server_body(f.other, "200 OK", TYPE, "{}");
	assert_gets(&f, "{}");
	assert_asked(f.other, 0, "GET /prefix/v2/a/b/manifests/latest HTTP/1.1\r\n");
	assert_int_equal(test_server_count(f.server), 0);
}

static void test_what_a_mirror_does_not_have(void **state)
{
	static const char *const statuses[] = {"404 Not Found", "401 Who", "500 Oops", "200 OK"};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		_fixture_ struct fixture f = begin_with_mirror(REGISTRY_PULL);

		test_server_body(f.other, statuses[i], "Content-Type: text/html\r\n", "");
		test_server_body(f.server, "200 OK", TYPE, "{}");
		assert_gets(&f, "{}");
		assert_int_equal(test_server_count(f.other), 1);
		assert_int_equal(test_server_count(f.server), 1);
	}
}

static void test_a_blob_that_breaks_at_the_mirror(void **state)
{
	_fixture_ struct fixture f = begin_with_mirror(REGISTRY_PULL);
	_test_download_ struct test_download download;

	test_server_reset(f.other, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123");
	test_server_answer(
		f.server,
		"HTTP/1.1 206 Part\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\n\r\n456789");
	test_download_begin(&download, f.registry, 10, 0);
	test_client_run(f.registry);
	assert_int_equal(download.status.status, COR_OK);
	assert_int_equal(buffer_size(&download.got), 10);
	assert_memory_equal(buffer_bytes(&download.got), "0123456789", 10);
}

static void test_a_mirror_that_sends_something_else(void **state)
{
	_fixture_ struct fixture f = begin_with_mirror(REGISTRY_PULL);
	/* of "{}" */
	const char *digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

	test_server_body(f.other, "200 OK", TYPE, "{ }");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_int_equal(registry_get_manifest(f.registry, digest, &f.manifest, &f.err), 0);
	assert_string_equal(f.manifest.data, "{}");
	test_server_body(f.server, "200 OK", TYPE, "[]");
	registry_manifest_release(&f.manifest);
	assert_true(registry_get_manifest(f.registry, digest, &f.manifest, &f.err) < 0);
	assert_int_equal(f.err.status, COR_CORRUPT);
	assert_null(f.manifest.data);
}

static void test_nothing_is_pushed_to_a_mirror(void **state)
{
	_fixture_ struct fixture f = begin_with_mirror(REGISTRY_PUSH);

	test_server_body(f.server, "201 Created", "", "");
	assert_int_equal(registry_put_manifest(f.registry, "v1", MEDIA_TYPE_MANIFEST, "{}", 2, &f.err), 0);
	assert_asked(f.server, 0, "PUT /v2/a/b/manifests/v1 HTTP/1.1\r\n");
	assert_asked(f.server, 0, "Content-Type: " MEDIA_TYPE_MANIFEST "\r\n");
	assert_asked(f.server, 0, "\r\n\r\n{}");
	assert_int_equal(test_server_count(f.other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_request),
		cmocka_unit_test(test_a_loopback_registry_without_tls),
		cmocka_unit_test(test_https_is_not_given_up_when_it_is_asked_for),
		cmocka_unit_test(test_what_is_no_manifest),
		cmocka_unit_test(test_an_endless_manifest),
		cmocka_unit_test(test_refusals_say_what_the_registry_says),
		cmocka_unit_test(test_nothing_is_there),
		cmocka_unit_test(test_a_call_is_cancelled),
		cmocka_unit_test(test_a_redirect_is_followed_without_the_password),
		cmocka_unit_test(test_a_challenge_from_elsewhere_is_not_answered),
		cmocka_unit_test(test_a_redirect_loop),
		cmocka_unit_test(test_redirects_to_nowhere),
		cmocka_unit_test(test_a_mirror_comes_first),
		cmocka_unit_test(test_what_a_mirror_does_not_have),
		cmocka_unit_test(test_a_blob_that_breaks_at_the_mirror),
		cmocka_unit_test(test_a_mirror_that_sends_something_else),
		cmocka_unit_test(test_nothing_is_pushed_to_a_mirror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
