/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/challenge.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HUB                                                                                                  \
	"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","                      \
	"scope=\"repository:library/busybox:pull\""

static void test_what_registries_send(void **state)
{
	static const struct {
		const char *header;
		enum challenge_scheme scheme;
		const char *realm, *service, *scope, *error;
	} cases[] = {
		{HUB, CHALLENGE_BEARER, "https://auth.docker.io/token", "registry.docker.io",
		 "repository:library/busybox:pull", NULL},
		{HUB ",error=\"invalid_token\"", CHALLENGE_BEARER, "https://auth.docker.io/token",
		 "registry.docker.io", "repository:library/busybox:pull", "invalid_token"},
		{"Basic realm=\"Registry Realm\"", CHALLENGE_BASIC, "Registry Realm", NULL, NULL, NULL},
		{"Basic realm=\"\"", CHALLENGE_BASIC, "", NULL, NULL, NULL},
		{"basic realm=r", CHALLENGE_BASIC, "r", NULL, NULL, NULL},
		{"BEARER Realm = \"http://127.0.0.1:5001/t?x=1\" , Service\t=\ta , scope=\"\"",
		 CHALLENGE_BEARER, "http://127.0.0.1:5001/t?x=1", "a", NULL, NULL},
		{"Basic realm=\"a \\\"b\\\" \\\\\"", CHALLENGE_BASIC, "a \"b\" \\", NULL, NULL, NULL},
		{"Negotiate", CHALLENGE_OTHER, NULL, NULL, NULL, NULL},
		{"Negotiate YWJj==", CHALLENGE_OTHER, NULL, NULL, NULL, NULL},
		{"Digest realm=\"x\", nonce=\"y\"", CHALLENGE_OTHER, NULL, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_challenge_ struct challenge c = {0};

		assert_int_equal(challenge_parse(cases[i].header, &c, NULL), 0);
		assert_int_equal(c.scheme, cases[i].scheme);
		assert_true(str_equal(c.realm, cases[i].realm));
		assert_true(str_equal(c.service, cases[i].service));
		assert_true(str_equal(c.scope, cases[i].scope));
		assert_true(str_equal(c.error, cases[i].error));
	}
}

/* Bearer is answered before Basic, and Basic before what is unknown; of two of one kind the first. */
static void test_the_best_of_several(void **state)
{
	static const struct {
		const char *header;
		enum challenge_scheme scheme;
		const char *realm;
	} cases[] = {
		{"Basic realm=\"b\", " HUB, CHALLENGE_BEARER, "https://auth.docker.io/token"},
		{HUB ", Basic realm=\"b\"", CHALLENGE_BEARER, "https://auth.docker.io/token"},
		{"Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
		 CHALLENGE_BASIC, "simple"},
		{"Negotiate, Basic realm=\"b\"", CHALLENGE_BASIC, "b"},
		{"Negotiate abc=, Basic realm=\"b\"", CHALLENGE_BASIC, "b"},
		{", ,Basic , realm=\"b\",,", CHALLENGE_BASIC, "b"},
		{"Basic realm=\"one\", Basic realm=\"two\"", CHALLENGE_BASIC, "one"},
		{"Basic realm=\"a, Bearer realm=x\"", CHALLENGE_BASIC, "a, Bearer realm=x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_challenge_ struct challenge c = {0};

		assert_int_equal(challenge_parse(cases[i].header, &c, NULL), 0);
		assert_int_equal(c.scheme, cases[i].scheme);
		assert_string_equal(c.realm, cases[i].realm);
	}
}

static void test_what_is_forbidden(void **state)
{
	static const struct {
		const char *header, *reason;
	} cases[] = {
		{"", "it is empty"},
		{" , ,", "it is empty"},
		{"=x", "no name"},
		{"\"Basic\"", "no name"},
		{"Basic", "Basic without a realm"},
		{"Basic abc==", "Basic without a realm"},
		{"Basic service=x", "Basic without a realm"},
		{"Bearer", "Bearer without a realm"},
		{"Bearer realm=\"\"", "no http or https URL"},
		{"realm=\"x\"", "belongs to no scheme"},
		{"Basic,realm=\"x\"", "belongs to no scheme"},
		{"Other abc=, realm=\"x\"", "belongs to no scheme"},
		{"Basic realm=\"x", "quote is not closed"},
		{"Basic realm=\"x\\\"", "quote is not closed"},
		{"Basic realm=\"x\\", "quote is not closed"},
		{"Basic realm=", "without a realm"},
		{"Basic a=1, realm=", "no value"},
		{"Basic a=1, realm=,", "no value"},
		{"Basic realm=\"x\" service=\"y\"", "no comma"},
		{"Basic realm=\"x\"y", "no comma"},
		{"Basic realm=a/b", "no comma"},
		{"Basic realm=\"x\", Realm=\"y\"", "twice"},
		{"Bearer realm=\"https://a\",scope=\"a\",scope=\"b\"", "twice"},
		{"Basic realm=\"x\", foo bar baz", "has no value"},
		{"Basic (x", "no parameter"},
		{"Basic\trealm=\"x\"", "no parameter"},
		{"Basic realm=\"x\r\ny\"", "control characters"},
		{"Basic realm=\"x\", Bearer", "Bearer without a realm"},
		{"Bearer realm=\"https://a\", Basic", "Basic without a realm"},
		{"Bearer realm=\"https://a\",scope=\"a\\\"b\"", "scope"},
		{"Bearer realm=\"https://a\",error=\"\xff\"", "error"},
		{"Bearer realm=\"https://a\",service=\"\xc3\xa4\"", "service"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct challenge c = {0};
		struct cor_error err = {0};

		assert_true(challenge_parse(cases[i].header, &c, &err) < 0);
		assert_int_equal(err.status, COR_CORRUPT);
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("%s: %s", cases[i].header, err.msg);
		assert_null(c.realm);
	}
}

/* CVE-2020-15157, CVE-2026-65388: a challenge chooses where a token is asked for. What is no plain web address does not even reach the code that decides about passwords. */
static void test_realms_that_lead_astray(void **state)
{
	static const char *const bad[] = {
		"file:///etc/passwd",
		"ftp://host/x",
		"//host/x",
		"/token",
		"host/token",
		"https:",
		"https://",
		"https:///x",
		"https://:443/x",
		"https://?x",
		"https://user:secret@host/x",
		"https://good.example@evil.example/x",
		"https://host/x#fragment",
		"https://host/a b",
		"https://host/\xc3\xa4",
		" https://host/",
		"HTTPS2://host/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_free_ char *header = str_format("Bearer realm=\"%s\"", bad[i]);
		struct challenge c = {0};
		struct cor_error err = {0};

		assert_true(challenge_parse(header, &c, &err) < 0);
		assert_non_null(strstr(err.msg, "realm"));
	}
}

static void test_limits(void **state)
{
	_free_ char *long_value = xmalloc(CHALLENGE_SIZE_MAX + 1), *long_header = NULL;
	_cleanup_(strv_release) struct strv many = {0};
	_free_ char *joined = NULL;
	struct challenge c = {0};
	struct cor_error err = {0};

	memset(long_value, 'a', CHALLENGE_SIZE_MAX);
	long_value[CHALLENGE_SIZE_MAX] = '\0';
	long_header = str_format("Basic realm=%s", long_value);
	assert_true(challenge_parse(long_header, &c, &err) < 0);
	assert_non_null(strstr(err.msg, "too long"));
	long_header[CHALLENGE_SIZE_MAX] = '\0';
	assert_int_equal(challenge_parse(long_header, &c, &err), 0);
	challenge_release(&c);
	for (int i = 0; i < 17; i++)
		strv_add(&many, "Basic realm=x");
	joined = strv_join(&many, ",");
	assert_true(challenge_parse(joined, &c, &err) < 0);
	assert_non_null(strstr(err.msg, "too many challenges"));
	strv_release(&many);
	free(joined);
	strv_add(&many, "Basic realm=x");
	for (int i = 0; i < 32; i++)
		strv_addf(&many, "p%d=x", i);
	joined = strv_join(&many, ",");
	assert_true(challenge_parse(joined, &c, &err) < 0);
	assert_non_null(strstr(err.msg, "too many parameters"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_registries_send),    cmocka_unit_test(test_the_best_of_several),
		cmocka_unit_test(test_what_is_forbidden),       cmocka_unit_test(test_limits),
		cmocka_unit_test(test_realms_that_lead_astray),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
