/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no registry; tests/registry has the rest. */
#include "container/login.h"

#include "base/file.h"
#include "base/str.h"
#include "coracle/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_names(void **state)
{
	static const struct {
		const char *text, *domain;
	} good[] = {
		{NULL, "docker.io"},
		{"", "docker.io"},
		{"docker.io", "docker.io"},
		{"index.docker.io", "docker.io"},
		{"https://index.docker.io/v1/", "docker.io"},
		{"registry-1.docker.io", "docker.io"},
		{"ghcr.io", "ghcr.io"},
		{"https://ghcr.io/", "ghcr.io"},
		{"https://a.example:5000/v2/", "a.example:5000"},
		{"localhost:5000", "localhost:5000"},
		{"[::1]:5000", "[::1]:5000"},
	};
	static const char *const bad[] = {
		"ghcr.io/me", "http://a.example", "https://",    "ftp://a.example", "a b", "../x",
		"/",          "user@a.example",   "a.example:x", " a.example"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_free_ char *domain = NULL;

		assert_int_equal(login_domain(good[i].text, &domain, NULL), 0);
		assert_string_equal(domain, good[i].domain);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_error err = {0};
		char *domain = NULL;

		assert_true(login_domain(bad[i], &domain, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
		assert_null(domain);
	}
}

/* A password that HTTP cannot carry does not get as far as the registry. */
static void test_refused_before_the_network(void **state)
{
	static const char *const bad[][3] = {
		{"a/b", "me", "x"},
		{"127.0.0.1:1", "", "x"},
		{"127.0.0.1:1", "a:b", "x"},
		{"127.0.0.1:1", "me", "x\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_error err = {0};

		assert_true(cor_registry_login(NULL, bad[i][0], bad[i][1], bad[i][2], NULL, NULL, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
	}
}

static void test_list_and_logout(void **state)
{
	static const char text[] = "{\"auths\":{\"a.example\":{\"auth\":\"bWU6c2VjcmV0\"}}}";
	char folder[] = "/tmp/login-test-XXXXXX";
	_free_ char *path = NULL, *want = NULL, *json = NULL, *after = NULL;
	struct cor_error err = {0};

	assert_non_null(mkdtemp(folder));
	setenv("DOCKER_CONFIG", folder, 1);
	path = str_format("%s/auth.json", folder);
	want = str_format("[{\"Registry\":\"a.example\",\"User\":\"me\",\"Source\":\"%s\"}]", path);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600), 0);
	assert_int_equal(cor_registry_list(NULL, folder, &json, NULL), 0);
	assert_string_equal(json, want);
	assert_int_equal(cor_registry_logout(NULL, "https://a.example/", folder, NULL), 0);
	assert_int_equal(cor_registry_list(NULL, folder, &after, NULL), 0);
	assert_string_equal(after, "[]");
	assert_true(cor_registry_logout(NULL, "a.example", folder, &err) < 0);
	assert_int_equal(err.status, COR_NOT_FOUND);
	assert_int_equal(tree_remove(AT_FDCWD, folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refused_before_the_network),
		cmocka_unit_test(test_list_and_logout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
