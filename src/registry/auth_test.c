/* SPDX-License-Identifier: Apache-2.0 */
/* Who we say we are: against a registry and a token server that follow a script. */
#include "oci/manifest.h"

#include "registry/test_client.h"
#include "registry/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define TYPE  "Content-Type: " MEDIA_TYPE_MANIFEST "\r\n"
#define BASIC "Authorization: Basic YWxpY2U6c2VjcmV0\r\n"
#define WHO   "WWW-Authenticate: Basic realm=\"r\"\r\n"

struct fixture {
	struct test_server *server, *tokens;
	struct registry *registry;
	struct registry_manifest manifest;
	struct cor_error err;
	char *challenge;
};

static void release(struct fixture *f)
{
	registry_free(f->registry);
	test_server_free(f->server);
	test_server_free(f->tokens);
	registry_manifest_release(&f->manifest);
	free(f->challenge);
}
#define _fixture_ _cleanup_(release)

static struct fixture begin(const char *user)
{
	struct fixture f = {.server = test_server_new(), .tokens = test_server_new()};

	f.registry = test_client_new(f.server, "http", user, REGISTRY_PULL);
	f.challenge = str_format("WWW-Authenticate: Bearer realm=\"http://%s/token?x=1\",service=\"s v\","
				 "scope=\"repository:a/b:pull\"\r\n",
				 test_server_place(f.tokens));
	return f;
}

static int get(struct fixture *f)
{
	registry_manifest_release(&f->manifest);
	return registry_get_manifest(f->registry, "latest", &f->manifest, &f->err);
}

static void assert_gets(struct fixture *f)
{
	if (get(f) < 0)
		fail_msg("%s", f->err.msg);
}

static void assert_fails(struct fixture *f, enum cor_status status, const char *says)
{
	assert_true(get(f) < 0);
	assert_error(&f->err, status, says);
}

static void assert_anonymous(struct test_server *server, size_t index)
{
	assert_null(strstr(test_server_request(server, index), "Authorization"));
}

static void test_a_password_is_sent_when_it_is_asked_for(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", WHO, "");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_gets(&f);
	assert_gets(&f);
	assert_anonymous(f.server, 0);
	assert_asked(f.server, 1, BASIC);
	assert_asked(f.server, 2, BASIC);
	assert_int_equal(test_server_count(f.server), 3);
}

static void test_a_password_that_is_wrong(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", WHO, "");
	test_server_body(f.server, "401 Who", WHO, "");
	assert_fails(&f, COR_PERMISSION, "'alice'");
	assert_int_equal(test_server_count(f.server), 2);
}

static void test_no_password_is_known(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	test_server_body(f.server, "401 Who", WHO, "");
	assert_fails(&f, COR_PERMISSION, "coracle login");
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_a_token(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "200 OK", "", "{\"token\":\"abc.def\"}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_gets(&f);
	assert_gets(&f);
	assert_asked(f.tokens, 0,
		     "GET /token?x=1&service=s%20v&scope=repository%3Aa%2Fb%3Apull HTTP/1.1\r\n");
	assert_asked(f.tokens, 0, BASIC);
	assert_anonymous(f.server, 0);
	assert_asked(f.server, 1, "Authorization: Bearer abc.def\r\n");
	assert_asked(f.server, 2, "Authorization: Bearer abc.def\r\n");
	assert_int_equal(test_server_count(f.tokens), 1);
}

static void test_a_token_for_nobody(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "200 OK", "", "{\"access_token\":\"abc\",\"expires_in\":300}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_gets(&f);
	assert_anonymous(f.tokens, 0);
	assert_asked(f.server, 1, "Authorization: Bearer abc\r\n");
}

static void test_a_token_that_is_not_taken_is_replaced_once(void **state)
{
	_fixture_ struct fixture f = begin(NULL);

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "200 OK", "", "{\"token\":\"one\"}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_gets(&f);
	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "200 OK", "", "{\"token\":\"two\"}");
	test_server_body(f.server, "401 Who", f.challenge, "");
	assert_fails(&f, COR_PERMISSION, "401");
	assert_asked(f.server, 1, "Bearer one\r\n");
	assert_asked(f.server, 2, "Bearer one\r\n");
	assert_asked(f.server, 3, "Bearer two\r\n");
	assert_int_equal(test_server_count(f.server), 4);
	assert_int_equal(test_server_count(f.tokens), 2);
}

static void test_a_token_server_that_refuses(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "401 No", "", "{\"details\":\"incorrect username or password\"}");
	assert_fails(&f, COR_PERMISSION, "incorrect username or password");
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_a_token_server_that_is_tired(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "503 Later", "", "");
	test_server_body(f.tokens, "200 OK", "", "{\"token\":\"abc\"}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_gets(&f);
	assert_int_equal(test_server_count(f.tokens), 2);
}

static void test_a_token_server_is_not_followed_elsewhere(void **state)
{
	_fixture_ struct fixture f = begin("alice");
	_free_ char *location = str_format("Location: http://%s/\r\n", test_server_place(f.server));

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "307 There", location, "");
	assert_fails(&f, COR_CORRUPT, "307");
	assert_int_equal(test_server_count(f.server), 1);
}

static void test_an_endless_token(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_endless(f.tokens, "HTTP/1.1 200 OK\r\n\r\n{\"token\":\"", "aaaaaaaaaaaaaaaa");
	assert_fails(&f, COR_CORRUPT, "does not end");
}

static void test_an_identity_token_is_posted(void **state)
{
	_fixture_ struct fixture f = begin("alice");
	struct credentials *known = &f.registry->places[0].credentials;

	known->identity_token = steal_ptr(known->password);
	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.tokens, "200 OK", "", "{\"access_token\":\"abc\"}");
	test_server_body(f.server, "200 OK", TYPE, "{}");
	assert_gets(&f);
	assert_asked(f.tokens, 0, "POST /token?x=1 HTTP/1.1\r\n");
	assert_asked(f.tokens, 0, "Content-Type: application/x-www-form-urlencoded\r\n");
	assert_asked(f.tokens, 0,
		     "\r\n\r\ngrant_type=refresh_token&refresh_token=secret&client_id=coracle&service=s%20v"
		     "&scope=repository%3Aa%2Fb%3Apull");
	assert_anonymous(f.tokens, 0);
}

static void test_challenges_that_make_no_sense(void **state)
{
	_fixture_ struct fixture f = begin("alice");

	test_server_body(f.server, "401 Who", "WWW-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\n",
			 "");
	assert_fails(&f, COR_CORRUPT, "registry");
	test_server_body(f.server, "401 Who", "WWW-Authenticate: Negotiate\r\n", "");
	assert_fails(&f, COR_PERMISSION, "401");
	test_server_body(f.server, "401 Who", "", "");
	assert_fails(&f, COR_PERMISSION, "401");
	test_server_body(f.server, "401 Who", "WWW-Authenticate: Basic realm=\"a\r\n", "");
	assert_fails(&f, COR_CORRUPT, "asks for");
	for (size_t i = 0; i < test_server_count(f.server); i++)
		assert_anonymous(f.server, i);
}

static void test_many_wait_for_one_token(void **state)
{
	_fixture_ struct fixture f = begin(NULL);
	struct test_download downloads[2];

	test_server_body(f.server, "401 Who", f.challenge, "");
	test_server_body(f.server, "401 Who", f.challenge, "");
	/* The first shall not come with its token before the second has asked. */
	test_server_after(f.tokens, f.server, 2);
	test_server_body(f.tokens, "200 OK", "", "{\"token\":\"abc\"}");
	test_server_body(f.server, "200 OK", "", "0123456789");
	test_server_body(f.server, "200 OK", "", "0123456789");
	for (size_t i = 0; i < 2; i++)
		test_download_begin(&downloads[i], f.registry, 10, 0);
	test_client_run(f.registry);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(downloads[i].status.status, COR_OK);
		test_download_release(&downloads[i]);
	}
	assert_int_equal(test_server_count(f.server), 4);
	assert_int_equal(test_server_count(f.tokens), 1);
}

static void test_answers_of_token_servers(void **state)
{
	static const char *const bad[] = {"",
					  "[]",
					  "{}",
					  "{\"token\":\"\"}",
					  "{\"token\":\"a\\nb\"}",
					  "{\"token\":5}",
					  "{\"token\":\"a b\"}",
					  "{\"token\":\"a\",\"expires_in\":\"x\"}"};
	_free_ char *value = NULL;
	int64_t seconds;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(token_parse(bad[i], strlen(bad[i]), &value, &seconds, NULL) < 0);
	assert_int_equal(token_parse("{\"token\":\"a\",\"expires_in\":99999999}", 35, &value, &seconds, NULL),
			 0);
	assert_string_equal(value, "a");
	assert_int_equal(seconds, 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_password_is_sent_when_it_is_asked_for),
		cmocka_unit_test(test_a_password_that_is_wrong),
		cmocka_unit_test(test_no_password_is_known),
		cmocka_unit_test(test_a_token),
		cmocka_unit_test(test_a_token_for_nobody),
		cmocka_unit_test(test_a_token_that_is_not_taken_is_replaced_once),
		cmocka_unit_test(test_a_token_server_that_refuses),
		cmocka_unit_test(test_a_token_server_that_is_tired),
		cmocka_unit_test(test_a_token_server_is_not_followed_elsewhere),
		cmocka_unit_test(test_an_endless_token),
		cmocka_unit_test(test_an_identity_token_is_posted),
		cmocka_unit_test(test_challenges_that_make_no_sense),
		cmocka_unit_test(test_many_wait_for_one_token),
		cmocka_unit_test(test_answers_of_token_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
