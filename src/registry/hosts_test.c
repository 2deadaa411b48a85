/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/hosts.h"

#include "base/file.h"
#include "registry/host_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>

struct fixture {
	char root[64];
	char *etc, *config;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_free_ char *machine = NULL;

	strcpy(f->root, "/tmp/hosts-test-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	f->etc = str_format("%s/etc", f->root);
	f->config = str_format("%s/config", f->root);
	machine = str_format("%s/coracle", f->etc);
	assert_int_equal(dir_make_all(AT_FDCWD, machine, 0700), 0);
	assert_int_equal(dir_make_all(AT_FDCWD, f->config, 0700), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tree_remove(AT_FDCWD, f->root), 0);
	free(f->etc);
	free(f->config);
	free(f);
	return 0;
}

/* Single quotes become double ones. */
static void write_text(const char *folder, const char *name, const char *text)
{
	_free_ char *path = str_format("%s/%s", folder, name), *copy = xstrdup(text),
		    *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(dir_make_all(AT_FDCWD, parent, 0700), 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, copy, strlen(copy), 0600), 0);
}

static struct hosts find(struct fixture *f, const char *domain, const char *scheme)
{
	struct cor_error err = {0};
	struct hosts hosts = {0};

	if (hosts_find_with(f->etc, f->config, domain, scheme, &hosts, &err) < 0)
		fail_msg("%s: %s", domain, err.msg);
	return hosts;
}

static void assert_refused(struct fixture *f, const char *domain, enum cor_status status, const char *reason)
{
	struct cor_error err = {0};
	struct hosts hosts = {0};

	assert_true(hosts_find_with(f->etc, f->config, domain, NULL, &hosts, &err) < 0);
	if (err.status != status || !strstr(err.msg, reason))
		fail_msg("%d: %s", err.status, err.msg);
	assert_null(hosts.items);
}

static void test_without_files(void **state)
{
	static const struct {
		const char *domain, *option, *base;
		enum host_scheme scheme;
	} cases[] = {
		{"docker.io", NULL, "registry-1.docker.io", HOST_HTTPS},
		{"a.example:5000", "auto", "a.example:5000", HOST_HTTPS},
		{"a.example", "http", "a.example", HOST_HTTP},
		{"localhost:5000", NULL, "localhost:5000", HOST_HTTPS_OR_HTTP},
		{"127.0.0.1:5000", "https", "127.0.0.1:5000", HOST_HTTPS},
		{"[::1]:5000", "auto", "[::1]:5000", HOST_HTTPS_OR_HTTP},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_hosts_ struct hosts hosts = find(*state, cases[i].domain, cases[i].option);

		assert_int_equal(hosts.count, 1);
		assert_string_equal(hosts.items[0].domain, cases[i].domain);
		assert_string_equal(hosts.items[0].base, cases[i].base);
		assert_int_equal(hosts.items[0].scheme, cases[i].scheme);
		assert_true(hosts.items[0].verify);
		assert_int_equal(hosts.items[0].cas.count, 0);
		assert_null(hosts.items[0].cert);
	}
}

static void test_bad_questions(void **state)
{
	static const char *const bad[] = {"", "a/b", "../x", "a..b", "-a", "a:0", "a:b", "[x]", "a@b", "a b"};
	struct cor_error err = {0};
	struct hosts hosts = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(*state, bad[i], COR_INVALID, "no name of a registry");
	assert_true(hosts_find(NULL, "a.example", "ftp", &hosts, &err) < 0);
	assert_int_equal(err.status, COR_INVALID);
}

static void test_mirrors_and_settings(void **state)
{
	struct fixture *f = *state;
	_hosts_ struct hosts hosts = {0};

	write_text(
		f->config, "registries.json",
		"{'registries':{'docker.io':{'mirrors':['https://mirror.example/prefix/a.b/',"
		"'http://127.0.0.1:5001']},'mirror.example':{'ca':'/ca.pem','cert':'/c.pem','key':'/k.pem'},"
		"'plain.example':{'scheme':'http','verify':false}}}");
	hosts = find(f, "docker.io", "https");
	assert_int_equal(hosts.count, 3);
	assert_string_equal(hosts.items[0].domain, "mirror.example");
	assert_string_equal(hosts.items[0].base, "mirror.example/prefix/a.b");
	assert_int_equal(hosts.items[0].scheme, HOST_HTTPS);
	assert_string_equal(hosts.items[0].cas.items[0], "/ca.pem");
	assert_string_equal(hosts.items[0].cert, "/c.pem");
	assert_string_equal(hosts.items[0].key, "/k.pem");
	assert_string_equal(hosts.items[1].domain, "127.0.0.1:5001");
	assert_int_equal(hosts.items[1].scheme, HOST_HTTP);
	assert_null(hosts.items[1].cert);
	assert_string_equal(hosts.items[2].base, "registry-1.docker.io");
	assert_int_equal(hosts.items[2].cas.count, 0);
	hosts_release(&hosts);
	hosts = find(f, "plain.example", NULL);
	assert_int_equal(hosts.items[0].scheme, HOST_HTTP);
	assert_false(hosts.items[0].verify);
	hosts_release(&hosts);
	/* The option goes over the file. */
	hosts = find(f, "plain.example", "https");
	assert_int_equal(hosts.items[0].scheme, HOST_HTTPS);
}

/* The user's file goes before the machine's, registry by registry. */
static void test_two_files(void **state)
{
	struct fixture *f = *state;
	_hosts_ struct hosts hosts = {0};

	write_text(f->etc, "coracle/registries.json",
		   "{'registries':{'a.example':{'scheme':'http'},'b.example':{'scheme':'http'}}}");
	write_text(f->config, "registries.json", "{'registries':{'a.example':{}}}");
	hosts = find(f, "a.example", NULL);
	assert_int_equal(hosts.items[0].scheme, HOST_HTTPS);
	hosts_release(&hosts);
	hosts = find(f, "b.example", NULL);
	assert_int_equal(hosts.items[0].scheme, HOST_HTTP);
}

static void test_certificate_folders(void **state)
{
	struct fixture *f = *state;
	_hosts_ struct hosts hosts = {0};
	_free_ char *want = str_format("%s/certs.d/a.example:5000/client.cert", f->config),
		    *first = str_format("%s/certs.d/a.example:5000/1.crt", f->config),
		    *last = str_format("%s/containers/certs.d/a.example:5000/ca.crt", f->etc);

	write_text(f->config, "certs.d/a.example:5000/2.crt", "");
	write_text(f->config, "certs.d/a.example:5000/1.crt", "");
	write_text(f->config, "certs.d/a.example:5000/client.cert", "");
	write_text(f->config, "certs.d/a.example:5000/client.key", "");
	write_text(f->config, "certs.d/a.example:5000/README", "");
	write_text(f->config, "certs.d/a.example:5000/.crt", "");
	write_text(f->etc, "docker/certs.d/a.example:5000/other.cert", "");
	write_text(f->etc, "docker/certs.d/a.example:5000/other.key", "");
	write_text(f->etc, "containers/certs.d/a.example:5000/ca.crt", "");
	hosts = find(f, "a.example:5000", NULL);
	assert_int_equal(hosts.items[0].cas.count, 3);
	assert_string_equal(hosts.items[0].cas.items[0], first);
	assert_string_equal(hosts.items[0].cas.items[2], last);
	assert_string_equal(hosts.items[0].cert, want);
	hosts_release(&hosts);
	hosts = find(f, "a.example", NULL);
	assert_int_equal(hosts.items[0].cas.count, 0);
	write_text(f->config, "certs.d/a.example/x.cert", "");
	assert_refused(f, "a.example", COR_CORRUPT, "x.cert' is there without 'x.key'");
	write_text(f->config, "certs.d/b.example/x.key", "");
	assert_refused(f, "b.example", COR_CORRUPT, "x.key' is there without 'x.cert'");
}

static void test_broken_files(void **state)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{"", "registries.json: line"},
		{"[]", "not a JSON object"},
		{"{'registries':{},'registries':{}}", "duplicate"},
		{"{'mirrors':{}}", "'mirrors' is not known"},
		{"{'registries':[]}", "'registries' is no object"},
		{"{'registries':{'x/y':{}}}", "'x/y' is no name of a registry"},
		{"{'registries':{'index.docker.io':{}}}", "called docker.io"},
		{"{'registries':{'x':1}}", "'x' is no object"},
		{"{'registries':{'x':{'mirors':[]}}}", "'x': 'mirors' is not known"},
		{"{'registries':{'x':{'mirrors':'https://a'}}}", "'mirrors' is no list"},
		{"{'registries':{'x':{'mirrors':[1]}}}", "'mirrors' has an entry"},
		{"{'registries':{'x':{'mirrors':['a.example']}}}", "'mirrors' has an entry"},
		{"{'registries':{'x':{'scheme':'HTTP'}}}", "'scheme' is none of"},
		{"{'registries':{'x':{'scheme':null}}}", "'scheme' is none of"},
		{"{'registries':{'x':{'verify':'false'}}}", "'verify' is neither"},
		{"{'registries':{'x':{'ca':'ca.pem'}}}", "'ca' is no absolute path"},
		{"{'registries':{'x':{'ca':true}}}", "'ca' is no path"},
		{"{'registries':{'x':{'cert':'/c'}}}", "'cert' is there without"},
		{"{'registries':{'x':{'key':'/k'}}}", "'key' is there without"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_text(f->config, "registries.json", bad[i].text);
		/* Also when it is another registry that is asked for. */
		assert_refused(f, "other.example", COR_CORRUPT, bad[i].reason);
		assert_refused(f, "other.example", COR_CORRUPT, "registries.json");
	}
}

static void test_files_that_others_may_write(void **state)
{
	struct fixture *f = *state;
	_free_ char *path = str_format("%s/registries.json", f->config);

	write_text(f->config, "registries.json", "{}");
	assert_int_equal(chmod(path, 0666), 0);
	assert_refused(f, "a.example", COR_PERMISSION, "may be written by others");
}

static void test_mirror_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"https://",
		"https:///x",
		"a.example",
		"ftp://a.example",
		"file:///etc",
		"https://a/b//c",
		"https://a/..",
		"https://a/b/../c",
		"https://a/./b",
		"https://a//",
		"https://u@a",
		"https://u:p@a",
		"https://a?x",
		"https://a#x",
		"https://a/b%2f",
		"https://a:0",
		"https://a:65536",
		"https://a b",
		"https://a/b c",
		"https://a\\b",
		"HTTPS://a",
		" https://a",
		"https://a/...",
		"https://-a",
	};
	struct mirror mirror = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (mirror_parse(bad[i], &mirror) != -EINVAL)
			fail_msg("%s", bad[i]);
	assert_int_equal(mirror_parse("https://[::1]:443/A_b~c-d.e", &mirror), 0);
	assert_string_equal(mirror.domain, "[::1]:443");
	assert_string_equal(mirror.base, "[::1]:443/A_b~c-d.e");
	assert_true(mirror.https);
	mirror_release(&mirror);
}

static void test_loopback(void **state)
{
	static const char *const yes[] = {"localhost",    "localhost:1", "LOCALHOST", "127.0.0.1",
					  "127.9.9.9:80", "[::1]",       "[::1]:443"};
	static const char *const no[] = {"",
					 "127.0.0.1.example",
					 "127.evil.example",
					 "localhost.example",
					 "local",
					 "128.0.0.1",
					 "127.1",
					 "0.0.0.0",
					 "[::]",
					 "[::2]",
					 "[::11]",
					 "a.example:127",
					 "localhost:0",
					 "localhost/x",
					 "xlocalhost",
					 "[::1",
					 "127.0.0.1:99999"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!host_is_loopback(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (host_is_loopback(no[i]))
			fail_msg("%s", no[i]);
}

static void assert_folder(const char *given, const char *want)
{
	_free_ char *folder = config_folder(given);

	assert_true(str_equal(folder, want));
}

static void test_config_folder(void **state)
{
	setenv("CORACLE_CONFIG", "/c", 1);
	setenv("XDG_CONFIG_HOME", "/x", 1);
	setenv("HOME", "/h", 1);
	assert_folder("/given", "/given");
	assert_folder(NULL, "/c");
	setenv("CORACLE_CONFIG", "", 1);
	assert_folder(NULL, "/x/coracle");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	assert_folder(NULL, "/h/.config/coracle");
	unsetenv("HOME");
	assert_folder(NULL, NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_files),
		TEST(test_bad_questions),
		TEST(test_mirrors_and_settings),
		TEST(test_two_files),
		TEST(test_certificate_folders),
		TEST(test_broken_files),
		TEST(test_files_that_others_may_write),
		cmocka_unit_test(test_mirror_urls),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_config_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
