/* SPDX-License-Identifier: Apache-2.0 */
#include "container/commit_change.h"

#include "base/json.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void good_lines(void **state)
{
	static const struct {
		const char *line, *before, *after;
	} cases[] = {
		{"CMD [\"a\", \"b c\"]", "{}", "{\"Cmd\":[\"a\",\"b c\"]}"},
		{"cmd a 'b c'", "{\"Cmd\":[\"x\"]}", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a 'b c'\"]}"},
		{"  ENTRYPOINT [\"x\"]  ", "{}", "{\"Entrypoint\":[\"x\"]}"},
		{"ENV A=1 B=\"x y\" C=a\\ b", "{}", "{\"Env\":[\"A=1\",\"B=x y\",\"C=a b\"]}"},
		{"ENV A=2", "{\"Env\":[\"AB=0\",\"A=1\"]}", "{\"Env\":[\"AB=0\",\"A=2\"]}"},
		{"ENV A the rest", "{}", "{\"Env\":[\"A=the rest\"]}"},
		{"ENV A=", "{}", "{\"Env\":[\"A=\"]}"},
		{"EXPOSE 80 53/udp", "{}", "{\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}}}"},
		{"LABEL a=1 b='2 3'", "{\"Labels\":{\"a\":\"0\"}}",
		 "{\"Labels\":{\"a\":\"1\",\"b\":\"2 3\"}}"},
		{"USER 1000:1000", "{}", "{\"User\":\"1000:1000\"}"},
		{"WORKDIR /a", "{\"WorkingDir\":\"/b\"}", "{\"WorkingDir\":\"/a\"}"},
		{"WORKDIR c", "{\"WorkingDir\":\"/b\"}", "{\"WorkingDir\":\"/b/c\"}"},
		{"VOLUME /a /b", "{}", "{\"Volumes\":{\"/a\":{},\"/b\":{}}}"},
		{"VOLUME [\"/a b\"]", "{}", "{\"Volumes\":{\"/a b\":{}}}"},
		{"STOPSIGNAL SIGINT", "{}", "{\"StopSignal\":\"SIGINT\"}"},
		{"ONBUILD RUN x", "{}", "{\"OnBuild\":[\"RUN x\"]}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_json_ json_t *config = json_loads(cases[i].before, 0, NULL);
		struct cor_error err = {0};

		assert_int_equal(commit_change_apply(config, cases[i].line, &err), 0);
		_free_ char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(text, cases[i].after);
	}
}

static void bad_lines(void **state)
{
	static const char *const lines[] = {
		"",
		"CMD",
		"RUN x",
		"COPY a b",
		"ENV",
		"ENV =x",
		"ENV A=\"x",
		"EXPOSE x",
		"EXPOSE 0",
		"EXPOSE 70000",
		"EXPOSE 1/x",
		"LABEL a=1 b",
		"VOLUME rel",
		"STOPSIGNAL NONE",
		"FROM x",
		"CMDX y",
		"ENV A=\xff\xfe",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_json_ json_t *config = json_object();
		struct cor_error err = {0};
		int r = commit_change_apply(config, lines[i], &err);

		if (r == 0)
			print_message("'%s' was taken\n", lines[i]);
		assert_true(r < 0);
		assert_int_equal(err.status, COR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good_lines), cmocka_unit_test(bad_lines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
