/* SPDX-License-Identifier: Apache-2.0 */
/* With a home of its own, and a helper that keeps one entry in a file. */
#include "registry/credentials.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "registry/auth_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* me:secret */
#define ENTRY "{'auth':'bWU6c2VjcmV0'}"

static const char fake_helper[] =
	"#!/bin/sh\n"
	"case $1 in\n"
	"store) cat >$HOME/stored ;;\n"
	"get) server=$(cat); if grep -q \"\\\"ServerURL\\\":\\\"$server\\\"\" $HOME/stored 2>/dev/null; then "
	"cat $HOME/stored\n"
	"	else echo credentials not found in native keychain; exit 1; fi ;;\n"
	"erase) rm $HOME/stored ;;\n"
	"list) echo '{\"https://index.docker.io/v1/\":\"hub-user\",\"other.example\":\"other-user\"}' ;;\n"
	"esac\n";
static const char broken_helper[] = "#!/bin/sh\ncat; echo the keychain is locked >&2; exit 3\n";

struct fixture {
	char home[64];
	char *config; /* HOME/.config/coracle */
};

static void write_text(const char *folder, const char *name, const char *text, mode_t mode)
{
	_free_ char *path = str_format("%s/%s", folder, name), *copy = xstrdup(text);

	if (strchr(name, '.'))
		for (char *p = copy; *p; p++)
			*p = *p == '\'' ? '"' : *p;
	assert_int_equal(file_write_atomic(AT_FDCWD, path, copy, strlen(copy), mode), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static char *read_text(const char *folder, const char *name)
{
	_free_ char *path = str_format("%s/%s", folder, name);
	char *text = NULL;

	assert_int_equal(file_read(AT_FDCWD, path, 65536, &text, NULL), 0);
	return text;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_free_ char *docker = NULL, *bin = NULL, *path = NULL;

	strcpy(f->home, "/tmp/credentials-test-XXXXXX");
	assert_non_null(mkdtemp(f->home));
	setenv("HOME", f->home, 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("CORACLE_CONFIG");
	unsetenv("DOCKER_CONFIG");
	f->config = str_format("%s/.config/coracle", f->home);
	docker = str_format("%s/.docker", f->home);
	bin = str_format("%s/bin", f->home);
	path = str_format("%s:/usr/bin:/bin", bin);
	setenv("PATH", path, 1);
	assert_int_equal(dir_make_all(AT_FDCWD, f->config, 0700), 0);
	assert_int_equal(mkdir(docker, 0700), 0);
	assert_int_equal(mkdir(bin, 0700), 0);
	write_text(bin, "docker-credential-fake", fake_helper, 0700);
	write_text(bin, "docker-credential-broken", broken_helper, 0700);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tree_remove(AT_FDCWD, f->home), 0);
	free(f->config);
	free(f);
	return 0;
}

static void assert_user(const char *domain, const char *user, const char *password)
{
	_credentials_ struct credentials c = {0};
	struct cor_error err = {0};

	if (credentials_find(NULL, domain, &c, &err) < 0)
		fail_msg("%s: %s", domain, err.msg);
	if (!str_equal(c.user, user) || !str_equal(c.password, password))
		fail_msg("%s: %s %s", domain, c.user, c.password);
	assert_null(c.identity_token);
}

static void test_none_are_known(void **state)
{
	assert_user("docker.io", NULL, NULL);
	unsetenv("HOME");
	assert_user("docker.io", NULL, NULL);
}

static void test_keys_as_docker_writes_them(void **state)
{
	struct fixture *f = *state;
	_free_ char *docker = str_format("%s/.docker", f->home);

	write_text(
		docker, "config.json",
		"{'auths':{'https://index.docker.io/v1/':" ENTRY ",'https://a.example':" ENTRY
		",'b.example:5000':" ENTRY ",'https://c.example/v2/':" ENTRY ",'http://d.example/v1/':" ENTRY
		",'e.example/repository':" ENTRY ",'f.example':{},'g.example':{'username':'u','password':''}"
		",'h.example':{'auth':'dTpwOnEAAA==','email':'x'}},'HttpHeaders':{'a':'b'},'detachKeys':'x'}",
		0644);
	assert_user("docker.io", "me", "secret");
	assert_user("a.example", "me", "secret");
	assert_user("b.example:5000", "me", "secret");
	assert_user("c.example", "me", "secret");
	assert_user("d.example", "me", "secret");
	assert_user("e.example", NULL, NULL);
	assert_user("f.example", NULL, NULL);
	assert_user("g.example", "u", "");
	assert_user("h.example", "u", "p:q");
	/* Another port is another registry, and so is the name below another. */
	assert_user("b.example", NULL, NULL);
	assert_user("x.a.example", NULL, NULL);
}

static void test_ours_before_dockers(void **state)
{
	struct fixture *f = *state;
	_free_ char *elsewhere = str_format("%s/elsewhere", f->home);
	_credentials_ struct credentials c = {0};

	assert_int_equal(mkdir(elsewhere, 0700), 0);
	setenv("DOCKER_CONFIG", elsewhere, 1);
	write_text(elsewhere, "config.json", "{'auths':{'a.example':" ENTRY ",'b.example':" ENTRY "}}", 0600);
	/* ours:1 */
	write_text(f->config, "auth.json",
		   "{'auths':{'a.example':{'auth':'b3Vyczox'},'t.example':{'auth':'b3Vyczo=',"
		   "'identitytoken':'refresh'}}}",
		   0600);
	assert_user("a.example", "ours", "1");
	assert_user("b.example", "me", "secret");
	assert_int_equal(credentials_find(NULL, "t.example", &c, NULL), 0);
	assert_null(c.user);
	assert_string_equal(c.identity_token, "refresh");
}

static void test_store_and_erase(void **state)
{
	struct fixture *f = *state;
	struct credentials c = {.user = (char *)(uintptr_t) "me",
				.password = (char *)(uintptr_t) "a:\"b\" ü"};
	_free_ char *where = NULL, *path = str_format("%s/auth.json", f->config), *text = NULL;
	struct cor_error err = {0};
	struct stat st;

	assert_int_equal(tree_remove(AT_FDCWD, f->config), 0);
	assert_int_equal(credentials_erase(NULL, "docker.io", &err), -ENOENT);
	assert_int_equal(err.status, COR_NOT_FOUND);
	assert_true(access(f->config, F_OK) < 0);
	assert_int_equal(credentials_store(NULL, "docker.io", &c, &where, NULL), 0);
	assert_string_equal(where, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(f->config, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(credentials_store(NULL, "[::1]:5000", &c, NULL, NULL), 0);
	text = read_text(f->config, "auth.json");
	assert_non_null(strstr(text, "https://index.docker.io/v1/"));
	assert_null(strstr(text, "a:"));
	assert_user("docker.io", "me", c.password);
	assert_user("[::1]:5000", "me", c.password);
	assert_int_equal(credentials_erase(NULL, "docker.io", NULL), 0);
	assert_user("docker.io", NULL, NULL);
	assert_user("[::1]:5000", "me", c.password);
	assert_int_equal(credentials_erase(NULL, "docker.io", NULL), -ENOENT);
}

/* Other spellings of the registry go, other members of the file stay. */
static void test_store_replaces(void **state)
{
	struct fixture *f = *state;
	struct credentials c = {.user = (char *)(uintptr_t) "new", .password = (char *)(uintptr_t) "pw"};
	_free_ char *text = NULL;

	write_text(f->config, "auth.json",
		   "{'auths':{'https://a.example/v1/':" ENTRY ",'http://a.example':" ENTRY
		   ",'b.example':" ENTRY "},'psFormat':'x'}",
		   0600);
	assert_int_equal(credentials_store(NULL, "a.example", &c, NULL, NULL), 0);
	assert_user("a.example", "new", "pw");
	assert_user("b.example", "me", "secret");
	text = read_text(f->config, "auth.json");
	assert_null(strstr(text, "/v1/"));
	assert_null(strstr(text, "http://"));
	assert_non_null(strstr(text, "psFormat"));
	assert_int_equal(credentials_erase(NULL, "a.example", NULL), 0);
	assert_user("a.example", NULL, NULL);
}

static void test_what_is_not_stored(void **state)
{
	static const struct {
		const char *domain, *user, *password;
	} bad[] = {
		{"a/b", "me", "x"},           {"../x", "me", "x"},       {"", "me", "x"},
		{"a.example", "", "x"},       {"a.example", "a:b", "x"}, {"a.example", NULL, "x"},
		{"a.example", "me", NULL},    {"a.example", "me", ""},   {"a.example", "a\nb", "x"},
		{"a.example", "me", "x\x7f"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct credentials c = {.user = (char *)(uintptr_t)bad[i].user,
					.password = (char *)(uintptr_t)bad[i].password};
		struct cor_error err = {0};

		assert_true(credentials_store(NULL, bad[i].domain, &c, NULL, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
	}
}

static void test_helper(void **state)
{
	struct fixture *f = *state;
	struct credentials c = {.user = (char *)(uintptr_t) "me", .password = (char *)(uintptr_t) "hidden"};
	_free_ char *where = NULL, *text = NULL;

	write_text(f->config, "auth.json",
		   "{'credHelpers':{'docker.io':'fake'},'auths':{'a.example':" ENTRY "}}", 0600);
	assert_user("docker.io", NULL, NULL);
	assert_int_equal(credentials_erase(NULL, "docker.io", NULL), -ENOENT);
	assert_int_equal(credentials_store(NULL, "docker.io", &c, &where, NULL), 0);
	assert_string_equal(where, "docker-credential-fake");
	text = read_text(f->config, "auth.json");
	assert_null(strstr(text, "bWU6aGlkZGVu"));
	assert_null(strstr(text, "hidden"));
	assert_user("docker.io", "me", "hidden");
	assert_user("a.example", "me", "secret");
	assert_int_equal(credentials_erase(NULL, "docker.io", NULL), 0);
	assert_user("docker.io", NULL, NULL);
}

static void test_helper_for_all(void **state)
{
	struct fixture *f = *state;
	struct credentials c = {.identity_token = (char *)(uintptr_t) "refresh"};
	_credentials_ struct credentials found = {0};

	write_text(f->config, "auth.json", "{'credsStore':'fake','auths':{'a.example':" ENTRY "}}", 0600);
	assert_int_equal(credentials_store(NULL, "t.example:1", &c, NULL, NULL), 0);
	assert_int_equal(credentials_find(NULL, "t.example:1", &found, NULL), 0);
	assert_string_equal(found.identity_token, "refresh");
	assert_null(found.user);
	/* What the helper does not have may still stand in the file. */
	assert_user("a.example", "me", "secret");
}

static void assert_error(const char *domain, enum cor_status status, const char *text)
{
	_credentials_ struct credentials c = {0};
	struct cor_error err = {0};

	assert_true(credentials_find(NULL, domain, &c, &err) < 0);
	if (err.status != status || !strstr(err.msg, text) || strstr(err.msg, "secret"))
		fail_msg("%d: %s", err.status, err.msg);
}

static void test_helpers_that_fail(void **state)
{
	struct fixture *f = *state;
	struct credentials c = {.user = (char *)(uintptr_t) "me", .password = (char *)(uintptr_t) "secret"};
	struct cor_error err = {0};

	write_text(f->config, "auth.json",
		   "{'credHelpers':{'a.example':'broken','b.example':'absent'},'auths':{'a.example':" ENTRY
		   "}}",
		   0600);
	assert_error("a.example", COR_UNAVAILABLE, "docker-credential-broken get' failed");
	assert_error("b.example", COR_UNAVAILABLE, "'docker-credential-absent' is not on the PATH");
	assert_user("c.example", NULL, NULL);
	/* It echoes what it was given, which is not shown. */
	assert_true(credentials_store(NULL, "a.example", &c, NULL, &err) < 0);
	assert_null(strstr(err.msg, "secret"));
	assert_non_null(strstr(err.msg, "failed"));
}

/* In Docker's file it knows nothing; in ours it is a mistake. */
static void test_a_helper_that_is_not_there(void **state)
{
	static const char text[] =
		"{'credsStore':'absent','credHelpers':{'b.example':'fake','c.example':'broken'},"
		"'auths':{'a.example':" ENTRY "}}";
	struct fixture *f = *state;
	_free_ char *docker = str_format("%s/.docker", f->home), *listed = NULL;
	_json_ json_t *list = NULL, *none = NULL;
	struct cor_error err = {0};

	write_text(docker, "config.json", text, 0600);
	assert_user("a.example", "me", "secret");
	assert_user("d.example", NULL, NULL);
	assert_error("c.example", COR_UNAVAILABLE, "docker-credential-broken get' failed");
	write_text(docker, "config.json", "{'credsStore':'absent','auths':{'a.example':" ENTRY "}}", 0600);
	assert_int_equal(credentials_list(NULL, &list, &err), 0);
	assert_int_equal(err.status, COR_OK);
	listed = json_dumps(list, JSON_COMPACT);
	assert_non_null(strstr(listed, "\"a.example\""));
	write_text(f->config, "auth.json", "{'credsStore':'absent'}", 0600);
	assert_error("d.example", COR_UNAVAILABLE, "'docker-credential-absent' is not on the PATH");
	assert_true(credentials_list(NULL, &none, &err) < 0);
	assert_non_null(strstr(err.msg, "'docker-credential-absent' is not on the PATH"));
}

static void test_broken_files(void **state)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{"", "line 1 is no JSON"},
		{"{'auths':{'a.example':secret}}", "line 1 is no JSON"},
		{"[]", "no JSON object"},
		{"{'auths':{},'auths':{}}", "no JSON"},
		{"{'auths':[]}", "'auths' is malformed"},
		{"{'auths':{'a.example':'secret'}}", "'a.example' is malformed"},
		{"{'auths':{'a.example':{'auth':1}}}", "'a.example' is malformed"},
		{"{'auths':{'a.example':{'auth':'a\\u0000'}}}", "line 1 is no JSON"},
		{"{'auths':{'a.example':{'auth':'bWU6c2VjcmV0-'}}}", "in base64"},
		{"{'auths':{'a.example':{'auth':'bWU6c2VjcmV'}}}", "in base64"},
		{"{'auths':{'a.example':{'auth':'bWU='}}}", "in base64"},
		{"{'auths':{'a.example':{'auth':'OnNlY3JldA=='}}}", "in base64"},
		{"{'auths':{'a.example':{'auth':'bWU6AHgA'}}}", "in base64"},
		{"{'credsStore':1}", "'credsStore' is malformed"},
		{"{'credsStore':'../fake'}", "names no credential helper"},
		{"{'credsStore':'/bin/sh'}", "names no credential helper"},
		{"{'credsStore':'-x'}", "names no credential helper"},
		{"{'credHelpers':{'a.example':'a b'}}", "names no credential helper"},
		{"{'credHelpers':{'a.example':null}}", "'a.example' is malformed"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_text(f->config, "auth.json", bad[i].text, 0600);
		assert_error("a.example", COR_CORRUPT, bad[i].reason);
	}
}

static void test_files_that_others_may_write(void **state)
{
	struct fixture *f = *state;
	struct credentials c = {.user = (char *)(uintptr_t) "me", .password = (char *)(uintptr_t) "x"};
	struct cor_error err = {0};

	write_text(f->config, "auth.json", "{'auths':{'a.example':" ENTRY "}}", 0660);
	assert_error("a.example", COR_PERMISSION, "may be written by others");
	write_text(f->config, "auth.json", "{'auths':{'a.example':" ENTRY "}}", 0602);
	assert_error("a.example", COR_PERMISSION, "may be written by others");
	write_text(f->config, "auth.json", "{'auths':{'a.example':" ENTRY "}}", 0644);
	assert_user("a.example", "me", "secret");
	assert_int_equal(chmod(f->config, 0770), 0);
	assert_true(credentials_store(NULL, "a.example", &c, NULL, &err) < 0);
	assert_int_equal(err.status, COR_PERMISSION);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	_free_ char *docker = str_format("%s/.docker", f->home), *want = NULL, *text = NULL;
	_json_ json_t *list = NULL;

	write_text(f->config, "auth.json",
		   "{'credHelpers':{'docker.io':'fake'},'auths':{'https://index.docker.io/v1/"
		   "':{},'b.example':" ENTRY "}}",
		   0600);
	write_text(docker, "config.json",
		   "{'auths':{'https://b.example':{'auth':'b3VyczoxCg=='},'a.example':" ENTRY
		   ",'t.example':{'identitytoken':'secret'}}}",
		   0600);
	assert_int_equal(credentials_list(NULL, &list, NULL), 0);
	text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
	want = str_format(
		"[{\"Registry\":\"a.example\",\"Source\":\"%s/config.json\",\"User\":\"me\"},"
		"{\"Registry\":\"b.example\",\"Source\":\"%s/auth.json\",\"User\":\"me\"},"
		"{\"Registry\":\"docker.io\",\"Source\":\"docker-credential-fake\",\"User\":\"hub-user\"},"
		"{\"Registry\":\"t.example\",\"Source\":\"%s/config.json\",\"User\":\"<token>\"}]",
		docker, f->config, docker);
	assert_string_equal(text, want);
}

#define WRITERS 6
#define ENTRIES 8

/* Two at once do not lose what the other wrote. */
static void test_writers_at_once(void **state)
{
	struct credentials c = {.user = (char *)(uintptr_t) "me", .password = (char *)(uintptr_t) "x"};
	pid_t pids[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		for (int k = 0; pids[i] == 0 && k < ENTRIES; k++) {
			_free_ char *domain = str_format("h%d-%d.example", i, k);

			if (credentials_store(NULL, domain, &c, NULL, NULL) < 0)
				_exit(1);
		}
		if (pids[i] == 0)
			_exit(0);
	}
	for (int i = 0; i < WRITERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < WRITERS * ENTRIES; i++) {
		_free_ char *domain = str_format("h%d-%d.example", i / ENTRIES, i % ENTRIES);

		assert_user(domain, "me", "x");
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_none_are_known),
		TEST(test_keys_as_docker_writes_them),
		TEST(test_ours_before_dockers),
		TEST(test_store_and_erase),
		TEST(test_store_replaces),
		TEST(test_what_is_not_stored),
		TEST(test_helper),
		TEST(test_helper_for_all),
		TEST(test_helpers_that_fail),
		TEST(test_a_helper_that_is_not_there),
		TEST(test_broken_files),
		TEST(test_files_that_others_may_write),
		TEST(test_list),
		TEST(test_writers_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
