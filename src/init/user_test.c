/* SPDX-License-Identifier: Apache-2.0 */
#include "init/user.h"

#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# a comment\n"
			     "broken:x:notanumber:1::/broken:\n"
			     "short:x:5\n"
			     "::7:7::/nameless:\n"
			     "daemon:x:1:1::/usr/sbin:/bin/false\n"
			     "42:x:4200:4201::/home/42:/bin/sh\n"
			     "web:x:33:33::/var/www:/bin/false\n"
			     "last:x:99:98::/last:/bin/sh";
static const char group[] = "root:x:0:\n"
			    "daemon:x:1:web\n"
			    "www:x:33:\n"
			    "audio:x:29:other,web\n"
			    "video:x:44:webcam\n"
			    "bad:x:x:web\n"
			    "short:x:8\n"
			    "77:x:7700:\n";

static struct user find(const char *who)
{
	struct cor_error err = {0};
	struct user user;

	assert_int_equal(user_find(passwd, group, who, &user, &err), 0);
	return user;
}

static void expect(const char *who, uint32_t uid, uint32_t gid, const char *home, size_t groups)
{
	struct user user = find(who);

	assert_int_equal(user.uid, uid);
	assert_int_equal(user.gid, gid);
	assert_int_equal(user.group_count, groups);
	if (home)
		assert_string_equal(user.home, home);
	else
		assert_null(user.home);
	user_release(&user);
}

static void test_found(void **state)
{
	struct user user = find("web");

	assert_int_equal(user.group_count, 2);
	assert_int_equal(user.groups[0], 1);
	assert_int_equal(user.groups[1], 29);
	user_release(&user);
	expect("root", 0, 0, "/root", 0);
	expect("", 0, 0, "/root", 0);
	expect("0", 0, 0, "/root", 0);
	expect("last", 99, 98, "/last", 0);
	expect("33", 33, 33, "/var/www", 2);
	/* A name goes before a number. */
	expect("42", 4200, 4201, "/home/42", 0);
	expect("1000", 1000, 0, NULL, 0);
	expect("1000:2000", 1000, 2000, NULL, 0);
	/* A group that is given stands alone. */
	expect("web:audio", 33, 29, "/var/www", 0);
	expect("web:77", 33, 7700, "/var/www", 0);
	expect("web:55", 33, 55, "/var/www", 0);
	expect(":www", 0, 33, "/root", 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *who;
		enum cor_status status;
	} cases[] = {
		{"nobody", COR_NOT_FOUND},   {"broken", COR_NOT_FOUND},
		{"short", COR_NOT_FOUND},    {"-1", COR_NOT_FOUND},
		{"+1", COR_NOT_FOUND},       {"4294967295", COR_NOT_FOUND},
		{"web:none", COR_NOT_FOUND}, {"web:", COR_INVALID},
		{"web:www:x", COR_INVALID},  {"99999999999999999999", COR_NOT_FOUND},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct user user = {.uid = 12345};
		struct cor_error err = {0};

		assert_true(user_find(passwd, group, cases[i].who, &user, &err) < 0);
		assert_int_equal(err.status, cases[i].status);
		assert_int_equal(user.uid, 12345);
	}
}

static void test_without_files(void **state)
{
	struct user user;

	assert_int_equal(user_find(NULL, NULL, "5:6", &user, NULL), 0);
	assert_int_equal(user.uid, 5);
	assert_int_equal(user.gid, 6);
	user_release(&user);
	assert_int_equal(user_find(NULL, NULL, "root", &user, NULL), -ENOENT);
	assert_null(user_home(NULL, 0));
}

static void test_home(void **state)
{
	_free_ char *home = user_home(passwd, 33);

	assert_string_equal(home, "/var/www");
	assert_null(user_home(passwd, 7777));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_without_files),
		cmocka_unit_test(test_home),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
