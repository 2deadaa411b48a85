/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's table of cases. */
#include "copy/rules.h"

#include "base/macro.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void cleaning(void **state)
{
	static const struct {
		const char *folder, *path, *clean, *name, *parent;
	} cases[] = {
		{"/", "a", "/a", "a", "/"},
		{"/", "/a/b", "/a/b", "b", "/a"},
		{"/", "a/b/", "/a/b/", "b", "/a"},
		{"/", "a/b/.", "/a/b/.", "", "/a"},
		{"/home/u", ".", "/home/u/.", "", "/home"},
		{"/home/u", "..", "/home", "home", "/"},
		{"/home/u", "../x", "/home/x", "x", "/home"},
		{"/home/u", "../../../..", "/", "", "/"},
		{"/", "", "/", "", "/"},
		{"/", "/", "/", "", "/"},
		{"/", "/.", "/", "", "/"},
		{"/", "//a///b//", "/a/b/", "b", "/a"},
		{"/", "a/./b/../c", "/a/c", "c", "/a"},
		{"/", "a.", "/a.", "a.", "/"},
		{"/", ".a/..b", "/.a/..b", "..b", "/.a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *clean = copy_path_clean(cases[i].folder, cases[i].path);
		_free_ char *name = copy_path_name(clean), *parent = copy_path_parent(clean);

		assert_string_equal(clean, cases[i].clean);
		assert_string_equal(name, cases[i].name);
		assert_string_equal(parent, cases[i].parent);
	}
}

enum dest { MISSING, FILE_THERE, FOLDER_THERE };

static void planning(void **state)
{
	static const struct {
		const char *source;
		bool source_is_folder;
		const char *dest;
		enum dest there;
		const char *folder, *name; /* NULL: forbidden */
	} cases[] = {
		/* A file. */
		{"/s/f", false, "/d/x", MISSING, "/d", "x"},
		{"/s/f", false, "/d/x/", MISSING, NULL, NULL},
		{"/s/f", false, "/d/x/.", MISSING, NULL, NULL},
		{"/s/f", false, "/d/x", FILE_THERE, "/d", "x"},
		{"/s/f", false, "/d/x", FOLDER_THERE, "/d/x", "f"},
		{"/s/f", false, "/d/x/", FOLDER_THERE, "/d/x/", "f"},
		{"/s/f", false, "/", FOLDER_THERE, "/", "f"},
		/* A directory. */
		{"/s/d", true, "/d/x", MISSING, "/d", "x"},
		{"/s/d", true, "/d/x/", MISSING, "/d", "x"},
		{"/s/d/", true, "/d/x", MISSING, "/d", "x"},
		{"/s/d/.", true, "/d/x", MISSING, "/d", "x"},
		{"/s/d", true, "/d/x", FILE_THERE, NULL, NULL},
		{"/s/d/.", true, "/d/x", FILE_THERE, NULL, NULL},
		{"/s/d", true, "/d/x", FOLDER_THERE, "/d/x", "d"},
		{"/s/d/", true, "/d/x", FOLDER_THERE, "/d/x", "d"},
		{"/s/d/.", true, "/d/x", FOLDER_THERE, "/d/x", ""},
		{"/", true, "/d/x", FOLDER_THERE, "/d/x", ""},
		{"/", true, "/d/x", MISSING, "/d", "x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_copy_plan_ struct copy_plan plan = {0};
		_free_ char *name = copy_path_name(cases[i].source);
		struct cor_error err = {0};
		int r = copy_plan_make(name, cases[i].source_is_folder, cases[i].dest,
				       cases[i].there != MISSING, cases[i].there == FOLDER_THERE, &plan,
				       &err);

		assert_int_equal(r == 0, cases[i].folder != NULL);
		if (r < 0)
			continue;
		assert_string_equal(plan.folder, cases[i].folder);
		assert_string_equal(plan.name, cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(cleaning), cmocka_unit_test(planning)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
