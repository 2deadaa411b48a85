/* SPDX-License-Identifier: Apache-2.0 */
#include "container/spec.h"

#include "container/caps.h"
#include "container/process.h"

#include <errno.h>
#include <setjmp.h>
#include <cmocka.h>

#define ID   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LIST (const char *const[])

static json_t *image(const char *config)
{
	json_t *object = json_loads(config, 0, NULL);

	assert_non_null(object);
	return json_pack("{s:o}", "config", object);
}

static int build(const char *config, const struct cor_container_options *options, struct container_spec *spec,
		 struct cor_error *err)
{
	_json_ json_t *document = image(config);

	return container_spec_build(options, document, ID, spec, err);
}

/* The arguments that come of an image and of options, joined; NULL when they are refused. */
static char *args_of(const char *config, const char *const *entrypoint, const char *const *args)
{
	struct cor_container_options options = {.image = "i", .entrypoint = entrypoint, .process.args = args};
	_cleanup_(container_spec_release) struct container_spec spec = {0};

	return build(config, &options, &spec, NULL) < 0 ? NULL : strv_join(&spec.args, " ");
}

static void test_entrypoint_and_command(void **state)
{
	static const char both[] = "{\"Entrypoint\": [\"e\"], \"Cmd\": [\"c\"]}";
	const struct {
		const char *config;
		const char *const *entrypoint, *const *args;
		const char *expected;
	} cases[] = {
		{both, NULL, NULL, "e c"},
		{both, NULL, LIST{"a", NULL}, "e a"},
		{both, LIST{"x", "y", NULL}, NULL, "x y"},
		{both, LIST{"x", NULL}, LIST{"a", NULL}, "x a"},
		{both, LIST{"", NULL}, LIST{"a", NULL}, "a"},
		{both, LIST{"", NULL}, NULL, NULL},
		{"{\"Cmd\": [\"c\", \"d\"]}", NULL, NULL, "c d"},
		{"{}", NULL, NULL, NULL},
		{"{\"Cmd\": \"c\"}", NULL, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_free_ char *args = args_of(cases[i].config, cases[i].entrypoint, cases[i].args);

		if (cases[i].expected)
			assert_string_equal(args, cases[i].expected);
		else
			assert_null(args);
	}
}

static void test_environment(void **state)
{
	struct cor_container_options options = {.image = "i",
						.process.args = LIST{"a", NULL},
						.process.env = LIST{"A=2", "B=", "GONE", NULL}};
	_cleanup_(container_spec_release) struct container_spec spec = {0};
	_strv_ struct strv env = {0};

	assert_int_equal(build("{\"Env\": [\"A=1\", \"GONE=1\", \"PATH=/x\"]}", &options, &spec, NULL), 0);
	assert_int_equal(json_get_strv(json_object_get(spec.config, "process"), "env", &env), 0);
	assert_string_equal(env_get(&env, "A"), "2");
	assert_string_equal(env_get(&env, "B"), "");
	assert_string_equal(env_get(&env, "PATH"), "/x");
	assert_string_equal(env_get(&env, "HOSTNAME"), "0123456789ab");
	assert_null(env_get(&env, "GONE"));
	assert_null(env_get(&env, "TERM"));
	options.process.terminal = true;
	container_spec_release(&spec);
	strv_release(&env);
	assert_int_equal(build("{}", &options, &spec, NULL), 0);
	assert_int_equal(json_get_strv(json_object_get(spec.config, "process"), "env", &env), 0);
	assert_string_equal(env_get(&env, "TERM"), "xterm");
}

static size_t effective_count(const struct cor_container_options *options, const char *config)
{
	_cleanup_(container_spec_release) struct container_spec spec = {0};

	assert_int_equal(build(config, options, &spec, NULL), 0);
	return json_array_size(json_object_get(
		json_object_get(json_object_get(spec.config, "process"), "capabilities"), "effective"));
}

static void test_capabilities_follow_the_user(void **state)
{
	struct cor_container_options options = {.image = "i", .process.args = LIST{"a", NULL}};

	assert_int_equal(effective_count(&options, "{}"), 14);
	assert_int_equal(effective_count(&options, "{\"User\": \"root:adm\"}"), 14);
	assert_int_equal(effective_count(&options, "{\"User\": \"1000\"}"), 0);
	options.cap_add = LIST{"net_admin", NULL};
	assert_int_equal(effective_count(&options, "{}"), 15);
	options.cap_drop = LIST{"ALL", NULL};
	assert_int_equal(effective_count(&options, "{}"), 1);
	options.privileged = true;
	options.cap_add = options.cap_drop = NULL;
	assert_int_equal(effective_count(&options, "{}"), 41);
}

static void test_privileged_masks_nothing(void **state)
{
	struct cor_container_options options = {.image = "i", .process.args = LIST{"a", NULL}};
	_cleanup_(container_spec_release) struct container_spec spec = {0};

	assert_int_equal(build("{}", &options, &spec, NULL), 0);
	assert_true(json_array_size(json_object_get(json_object_get(spec.config, "linux"), "maskedPaths")) >
		    0);
	assert_false(spec.seccomp_unconfined);
	container_spec_release(&spec);
	options.privileged = true;
	assert_int_equal(build("{}", &options, &spec, NULL), 0);
	assert_null(json_object_get(json_object_get(spec.config, "linux"), "maskedPaths"));
	assert_true(spec.seccomp_unconfined);
}

static void test_a_fraction_of_a_cpu_is_a_limit(void **state)
{
	struct cor_container_options options = {.image = "i", .process.args = LIST{"a", NULL}, .cpus = 1.5};
	_cleanup_(container_spec_release) struct container_spec spec = {0};
	json_t *resources;

	assert_int_equal(build("{}", &options, &spec, NULL), 0);
	resources = json_object_get(json_object_get(spec.config, "linux"), "resources");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(resources, "cpu"), "quota")),
			 150000);
	container_spec_release(&spec);
	options.cpus = 2;
	assert_int_equal(build("{}", &options, &spec, NULL), 0);
	resources = json_object_get(json_object_get(spec.config, "linux"), "resources");
	assert_null(json_object_get(resources, "cpu"));
}

static void test_labels_and_hostname(void **state)
{
	struct cor_container_options options = {.image = "i",
						.process.args = LIST{"a", NULL},
						.labels = LIST{"a=2", "bare", NULL},
						.hostname = "box.example.org"};
	_cleanup_(container_spec_release) struct container_spec spec = {0};

	assert_int_equal(build("{\"Labels\": {\"a\": \"1\", \"b\": \"1\"}, \"StopSignal\": \"SIGQUIT\"}",
			       &options, &spec, NULL),
			 0);
	assert_string_equal(spec.hostname, "box");
	assert_string_equal(env_get(&spec.labels, "a"), "2");
	assert_string_equal(env_get(&spec.labels, "b"), "1");
	assert_string_equal(env_get(&spec.labels, "bare"), "");
	assert_int_equal(spec.labels.count, 3);
	assert_int_equal(spec.stop_signal, 3);
}

static void test_refusals(void **state)
{
	const struct cor_container_options bad[] = {
		{.ulimits = LIST{"nofile", NULL}},
		{.ulimits = LIST{"nofile=2:1", NULL}},
		{.ulimits = LIST{"files=1", NULL}},
		{.sysctls = LIST{"net.core.somaxconn", NULL}},
		{.sysctls = LIST{"../x=1", NULL}},
		{.tmpfs = LIST{"relative", NULL}},
		{.tmpfs = LIST{"/", NULL}},
		{.cap_add = LIST{"CAP_FLY", NULL}},
		{.security = LIST{"seccomp", NULL}},
		{.hostname = "-x"},
		{.hostname = "a b"},
		{.stop_signal = "SIGNOPE"},
		{.labels = LIST{"=x", NULL}},
		{.process.env = LIST{"=x", NULL}},
		{.process.working_directory = "relative"},
		{.process.args = LIST{"\xff", NULL}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_container_options options = bad[i];
		_cleanup_(container_spec_release) struct container_spec spec = {0};
		struct cor_error err = {0};

		options.image = "i";
		assert_true(build("{\"Cmd\": [\"c\"]}", &options, &spec, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
		assert_true(err.msg[0]);
	}
}

static void test_what_is_not_utf8_is_refused_by_name(void **state)
{
	static const char *const bad[] = {"fine", "x=\xff", NULL};
	const struct {
		const char *option;
		struct cor_container_options options;
	} cases[] = {
		{"the command", {.process.args = bad}}, {"--env", {.process.env = bad}},
		{"--user", {.process.user = bad[1]}},   {"--workdir", {.process.working_directory = "/\xff"}},
		{"--label", {.labels = bad}},           {"--annotation", {.annotations = bad}},
		{"--sysctl", {.sysctls = bad}},         {"--tmpfs", {.tmpfs = bad}},
		{"--kernel-arg", {.kernel_args = bad}}, {"--name", {.name = bad[1]}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_container_options options = cases[i].options;
		_cleanup_(container_spec_release) struct container_spec spec = {0};
		struct cor_error err = {0};

		options.image = "i";
		if (!options.process.args)
			options.process.args = LIST{"a", NULL};
		assert_int_equal(build("{}", &options, &spec, &err), -EILSEQ);
		assert_int_equal(err.status, COR_INVALID);
		assert_non_null(strstr(err.msg, cases[i].option));
	}
}

static void test_exec_inherits(void **state)
{
	struct cor_container_options options = {.image = "i",
						.process.args = LIST{"a", NULL},
						.process.user = "1000",
						.process.working_directory = "/w"};
	struct cor_process_options exec_options = {.args = LIST{"ls", "-l", NULL}, .env = LIST{"X=1", NULL}};
	_cleanup_(container_spec_release) struct container_spec spec = {0};
	_json_ json_t *process = NULL, *as_root = NULL;
	_strv_ struct strv env = {0};

	assert_int_equal(build("{}", &options, &spec, NULL), 0);
	assert_int_equal(exec_process_build(&exec_options, spec.config, &process, NULL), 0);
	assert_string_equal(json_string_value(json_array_get(json_object_get(process, "args"), 1)), "-l");
	assert_string_equal(json_string_value(json_object_get(process, "cwd")), "/w");
	assert_string_equal(json_string_value(json_object_get(json_object_get(process, "user"), "username")),
			    "1000");
	assert_int_equal(json_get_strv(process, "env", &env), 0);
	assert_string_equal(env_get(&env, "X"), "1");
	exec_options.user = "\xff";
	assert_int_equal(exec_process_build(&exec_options, spec.config, &as_root, NULL), -EILSEQ);
	exec_options.user = "0";
	assert_int_equal(exec_process_build(&exec_options, spec.config, &as_root, NULL), 0);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(as_root, "capabilities"), "effective")), 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entrypoint_and_command),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_capabilities_follow_the_user),
		cmocka_unit_test(test_privileged_masks_nothing),
		cmocka_unit_test(test_a_fraction_of_a_cpu_is_a_limit),
		cmocka_unit_test(test_labels_and_hostname),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_what_is_not_utf8_is_refused_by_name),
		cmocka_unit_test(test_exec_inherits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
