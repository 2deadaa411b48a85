/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/reference.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static void test_normal_forms(void **state)
{
	static const struct {
		const char *text, *name, *familiar;
	} cases[] = {
		{"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"debian:12", "docker.io/library/debian:12", "debian:12"},
		{"library/debian:12", "docker.io/library/debian:12", "debian:12"},
		{"docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"},
		{"docker.io/a.b/x", "docker.io/a.b/x:latest", "docker.io/a.b/x:latest"},
		{"me/app", "docker.io/me/app:latest", "me/app:latest"},
		{"index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"docker.io/me/app:1", "docker.io/me/app:1", "me/app:1"},
		{"ghcr.io/a/b/c:v1.2", "ghcr.io/a/b/c:v1.2", "ghcr.io/a/b/c:v1.2"},
		{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
		{"localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"},
		{"Upper/x", "Upper/x:latest", "Upper/x:latest"},
		{"[::1]:5000/x:t", "[::1]:5000/x:t", "[::1]:5000/x:t"},
		{"a__b--c.d", "docker.io/library/a__b--c.d:latest", "a__b--c.d:latest"},
		{"x@" DIGEST, "docker.io/library/x@" DIGEST, "x@" DIGEST},
		{"x:t@" DIGEST, "docker.io/library/x:t", "x:t"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_reference_ struct reference ref = {0}, again = {0};
		_free_ char *name = NULL, *familiar = NULL, *same = NULL;

		assert_int_equal(reference_parse(cases[i].text, &ref, NULL), 0);
		name = reference_name(&ref);
		assert_string_equal(name, cases[i].name);
		familiar = reference_familiar(name);
		assert_string_equal(familiar, cases[i].familiar);
		assert_int_equal(reference_parse(familiar, &again, NULL), 0);
		same = reference_name(&again);
		assert_string_equal(same, name);
	}
}

static void test_parts(void **state)
{
	_reference_ struct reference ref = {0};
	_free_ char *repository = NULL;

	assert_int_equal(reference_parse("localhost:5000/a/b:tag@" DIGEST, &ref, NULL), 0);
	assert_string_equal(ref.domain, "localhost:5000");
	assert_string_equal(ref.path, "a/b");
	assert_string_equal(ref.tag, "tag");
	assert_string_equal(ref.digest, DIGEST);
	repository = reference_repository(&ref);
	assert_string_equal(repository, "localhost:5000/a/b");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"Busybox",
		"a b",
		"a:",
		"a:-t",
		"a:.t",
		":t",
		"/a",
		"a/",
		"a//b",
		"../a",
		"a/../b",
		"a..b",
		"a___b",
		"-a",
		"a-",
		"_a",
		"a@",
		"a@sha256:12",
		"a@sha512:" DIGEST,
		"a@" DIGEST "@" DIGEST,
		"a:t:u",
		"host:0/x",
		"host:65536/x",
		"host:x/y",
		"[::1/x",
		"[]/x",
		"[::g]/x",
		"[1.2.3.4]/x",
		"[::1%eth0]/x",
		"[::::]/x",
		"[::1]x/y",
		"-host.io/x",
		"host..io/x",
		"a\nb",
		"a%2f",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	};
	struct reference ref;
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct cor_error){0};
		assert_true(reference_parse(bad[i], &ref, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
	}
}

/* The grammar of distribution's references, rule by rule: the reason tells which one was broken. */
static void test_reasons(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"", "empty"},
		{"Busybox", "upper case"},
		{"host.io/Me/app", "upper case"},
		{"a//b", "empty"},
		{"/a", "empty"},
		{"a/", "empty"},
		{"a/../b", "begins with '.'"},
		{"a/-b", "begins with"},
		{"a._b", "two kinds of them in a row"},
		{"a_", "ends with"},
		{"a..b", "more than one '.'"},
		{"a___b", "two '_'"},
		{"a b", "only lower case"},
		{"\xc3\xa4", "only lower case"},
		{"a%2f", "only lower case"},
		{"a:", "bad tag"},
		{"a:.t", "bad tag"},
		{"a:t/u:", "bad tag"},
		{"a@sha512:" HEX HEX, "only sha256 is taken"},
		{"a@md5:" HEX, "not registered"},
		{"a@" HEX, "no algorithm"},
		{"a@sha256:" HEX "@sha256:" HEX, "64 lower-case"},
		{"host.io:0/x", "bad registry name 'host.io:0'"},
		{"ho_st.io/x", "bad registry name"},
		{HEX, "an id, not a name"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_error err = {0};
		struct reference ref;

		assert_true(reference_parse(cases[i].text, &ref, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

static void test_lengths(void **state)
{
	struct reference ref;
	_free_ char *letters = xmalloc(301), *text = NULL;

	memset(letters, 'a', 300);
	letters[300] = '\0';
	text = str_format("x:%.128s", letters);
	assert_int_equal(reference_parse(text, &ref, NULL), 0);
	reference_release(&ref);
	free(text);
	text = str_format("x:%.129s", letters);
	assert_true(reference_parse(text, &ref, NULL) < 0);
	/* docker.io/library/ is 18 bytes. */
	assert_int_equal(reference_parse(letters + 300 - 237, &ref, NULL), 0);
	reference_release(&ref);
	assert_true(reference_parse(letters + 300 - 238, &ref, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal_forms), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
