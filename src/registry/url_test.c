/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/url.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* The text that a valid address has when it is written again; NULL for one that is refused. */
static char *again(const char *text)
{
	_url_ struct url url = {0};
	struct cor_error err = {0};

	if (url_parse(text, &url, &err) < 0) {
		assert_true(*err.msg);
		return NULL;
	}
	return url_text(&url);
}

static char *resolved(const char *base, const char *location)
{
	_url_ struct url from = {0}, url = {0};

	assert_int_equal(url_parse(base, &from, NULL), 0);
	return url_resolve(&from, location, &url, NULL) < 0 ? NULL : url_text(&url);
}

static void assert_again(const char *text, const char *expected)
{
	_free_ char *is = again(text);

	if (!expected) {
		assert_null(is);
		return;
	}
	assert_non_null(is);
	assert_string_equal(is, expected);
}

static void assert_resolved(const char *base, const char *location, const char *expected)
{
	_free_ char *is = resolved(base, location);

	if (!expected) {
		assert_null(is);
		return;
	}
	assert_non_null(is);
	assert_string_equal(is, expected);
}

static void test_addresses_are_written_in_one_way(void **state)
{
	assert_again("https://Registry.Example/v2/", "https://registry.example/v2/");
	assert_again("HTTPS://a.example:443", "https://a.example/");
	assert_again("http://a.example:80?x=1", "http://a.example/?x=1");
	assert_again("http://a.example:443/", "http://a.example:443/");
	assert_again("https://[::1]:5000/a#fragment", "https://[::1]:5000/a");
	assert_again("https://a.example/b/../c/./d?x=/../y", "https://a.example/c/d?x=/../y");
	assert_again("https://a.example/../../x", "https://a.example/x");
	assert_again("https://a.example/x/..", "https://a.example/");
}

static void test_what_is_no_address_of_a_registry(void **state)
{
	static const char *const bad[] = {
		"",
		"file:///etc/passwd",
		"ftp://a.example/",
		"gopher://a.example/",
		"a.example/v2/",
		"//a.example/v2/",
		"https:/a.example/",
		"https://",
		"https:///v2/",
		"https://user:password@a.example/",
		"https://a.example@evil.example/",
		"https://a.example\\@evil.example/",
		"https://a.example:0/",
		"https://a.example:65536/",
		"https://a.example:/",
		"https://a.example:80x/",
		"https://a..example/",
		"https://a_b/",
		"https://[::1/",
		"https://[1:2:3]/",
		"https://a.example/\r\nX: y",
		"https://a.example/a b",
		"https://a.example/\xc3\xa4",
		"https://a%2eexample/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_again(bad[i], NULL);
}

static void test_locations_are_resolved(void **state)
{
	const char *base = "https://a.example:5000/v2/b/uploads/?x=1";

	assert_resolved(base, "/v2/c", "https://a.example:5000/v2/c");
	assert_resolved(base, "d?y", "https://a.example:5000/v2/b/uploads/d?y");
	assert_resolved(base, "../d", "https://a.example:5000/v2/b/d");
	assert_resolved(base, "?z", "https://a.example:5000/v2/b/uploads/?z");
	assert_resolved(base, "//b.example/c", "https://b.example/c");
	assert_resolved(base, "http://b.example/c", "http://b.example/c");
	assert_resolved(base, "/v2/c?u=https://x/", "https://a.example:5000/v2/c?u=https://x/");
	assert_resolved(base, "file:///etc/passwd", NULL);
	assert_resolved(base, "file:x", NULL);
	assert_resolved(base, "javascript:x", NULL);
	assert_resolved(base, "", NULL);
}

static void test_a_query_is_encoded(void **state)
{
	struct url url = {.https = true, .host = xstrdup("a.example"), .port = 443, .target = xstrdup("/x")};

	url_add_query(&url, "digest", "sha256:ab");
	url_add_query(&url, "from", "a/b&c=d#e");
	assert_string_equal(url.target, "/x?digest=sha256%3Aab&from=a%2Fb%26c%3Dd%23e");
	url_release(&url);
}

static bool follows(const char *a, const char *b)
{
	_url_ struct url from = {0}, to = {0};

	assert_int_equal(url_parse(a, &from, NULL), 0);
	assert_int_equal(url_parse(b, &to, NULL), 0);
	return url_may_follow(&from, &to, NULL) == 0;
}

static void test_nobody_is_led_from_https_to_http(void **state)
{
	assert_false(follows("https://a.example/", "http://a.example/"));
	assert_false(follows("https://a.example/", "http://127.0.0.1/"));
	assert_false(follows("https://127.0.0.1/", "http://a.example/"));
	assert_true(follows("https://127.0.0.1/", "http://127.0.0.1:5000/"));
	assert_true(follows("http://a.example/", "http://b.example/"));
	assert_true(follows("http://a.example/", "https://b.example/"));
	assert_true(follows("https://a.example/", "https://b.example/"));
}

static bool trusted(const char *a, const char *b)
{
	_url_ struct url home = {0}, realm = {0};

	assert_int_equal(url_parse(a, &home, NULL), 0);
	assert_int_equal(url_parse(b, &realm, NULL), 0);
	return url_realm_trusted(&home, &realm);
}

/* CVE-2020-15157, CVE-2026-65388 */
static void test_passwords_go_to_the_registrys_own_realm(void **state)
{
	assert_true(trusted("https://registry-1.docker.io/", "https://auth.docker.io/token"));
	assert_true(trusted("https://ghcr.io/", "https://ghcr.io/token"));
	assert_true(trusted("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth"));
	assert_true(trusted("https://r.a.co.uk/", "https://auth.a.co.uk/"));
	assert_true(trusted("https://10.0.0.1:5000/", "https://10.0.0.1:5001/"));
	assert_true(trusted("http://127.0.0.1:5000/", "http://localhost:5001/"));
	assert_true(trusted("http://r.example/", "http://r.example:5001/"));

	assert_false(trusted("https://registry-1.docker.io/", "https://evil.example/token"));
	assert_false(trusted("https://registry-1.docker.io/", "https://auth.docker.io.evil.example/"));
	assert_false(trusted("https://registry-1.docker.io/", "https://evildocker.io/"));
	assert_false(trusted("https://registry-1.docker.io/", "http://auth.docker.io/token"));
	assert_false(trusted("https://r.a.co.uk/", "https://evil.co.uk/"));
	assert_false(trusted("https://a.io/", "https://b.io/"));
	assert_false(trusted("https://localhost/", "http://localhost/"));
	assert_false(trusted("https://10.0.0.1/", "https://10.0.0.2/"));
	assert_false(trusted("https://1.2.0.1/", "https://9.9.0.1/"));
	assert_false(trusted("https://[2001:db8::1]/", "https://[2001:db8::2]/"));
	assert_false(trusted("http://r.example/", "http://auth.example/"));
	assert_false(trusted("http://127.0.0.1:5000/", "http://evil.example/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_written_in_one_way),
		cmocka_unit_test(test_what_is_no_address_of_a_registry),
		cmocka_unit_test(test_locations_are_resolved),
		cmocka_unit_test(test_a_query_is_encoded),
		cmocka_unit_test(test_nobody_is_led_from_https_to_http),
		cmocka_unit_test(test_passwords_go_to_the_registrys_own_realm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
