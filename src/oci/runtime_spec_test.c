/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/runtime_spec.h"

#include "base/json.h"

#include <sys/resource.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* JSON with single quotes, for the sake of the eye. */
static int try_spec(const char *text, struct oci_spec **ret, struct cor_error *err)
{
	_free_ char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	*err = (struct cor_error){0};
	return oci_spec_parse(copy, strlen(copy), ret, err);
}

/* One byte more than the kernel takes. */
#define LONG_NAME "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx"
#define PROCESS   "'args':['sh','-c','x'],'cwd':'/'"

static void test_process(void **state)
{
	_cleanup_(oci_spec_freep) struct oci_spec *spec = NULL;
	struct cor_error err;
	const struct oci_process *p;

	assert_int_equal(
		try_spec("{'ociVersion':'1.0.2','process':{" PROCESS
			 ",'env':['A=b','C='],'terminal':true,'consoleSize':{'height':24,'width':80},"
			 "'user':{'uid':1000,'gid':100,'additionalGids':[4,5],'umask':18,'username':'me:"
			 "staff'},"
			 "'capabilities':{'bounding':['CAP_CHOWN','CAP_CHECKPOINT_RESTORE'],'effective':['"
			 "CAP_KILL']},'noNewPrivileges':true,"
			 "'rlimits':[{'type':'RLIMIT_NOFILE','soft':1024,'hard':9223372036854775807}],'"
			 "oomScoreAdj':-5}}",
			 &spec, &err),
		0);
	p = spec->process;
	assert_int_equal(p->args.count, 3);
	assert_string_equal(p->args.items[1], "-c");
	assert_int_equal(p->env.count, 2);
	assert_true(p->terminal && p->rows == 24 && p->columns == 80);
	assert_true(p->uid == 1000 && p->gid == 100 && p->group_count == 2 && p->groups[1] == 5 &&
		    p->umask == 022);
	assert_string_equal(p->username, "me:staff");
	assert_true(p->capabilities.bounding == (1 | UINT64_C(1) << 40));
	assert_true(p->capabilities.effective == 1 << 5 && p->capabilities.ambient == 0);
	assert_true(p->no_new_privileges);
	assert_true(p->rlimit_count == 1 && p->rlimits[0].resource == RLIMIT_NOFILE &&
		    p->rlimits[0].soft == 1024 && p->rlimits[0].hard == UINT64_MAX);
	assert_true(p->has_oom_score_adj && p->oom_score_adj == -5);
}

static void test_machine(void **state)
{
	_cleanup_(oci_spec_freep) struct oci_spec *spec = NULL;
	struct cor_error err;

	assert_int_equal(try_spec("{'ociVersion':'1.1.0','root':{'path':'rootfs','readonly':true},'hostname':"
				  "'h','mounts':[{'destination':'/proc','type':'proc',"
				  "'source':'proc','options':['nosuid']}],'linux':{'devices':[{'path':'/dev/"
				  "fuse','type':'c','major':10,'minor':229,"
				  "'fileMode':438,'uid':1,'gid':2}],'sysctl':{'net.ipv4.ip_forward':'1'},'"
				  "resources':{'memory':{'limit':1048576},"
				  "'cpu':{'quota':50000,'period':100000,'shares':512,'cpus':'0-1'},'pids':{'"
				  "limit':-1}},'maskedPaths':['/proc/kcore'],"
				  "'readonlyPaths':['/proc/sys']}}",
				  &spec, &err),
			 0);
	assert_null(spec->process);
	assert_true(spec->root_readonly);
	assert_string_equal(spec->root_path, "rootfs");
	assert_string_equal(spec->hostname, "h");
	assert_true(spec->mount_count == 1 && spec->mounts[0].options.count == 1);
	assert_true(spec->device_count == 1 && spec->devices[0].type == 'c' &&
		    spec->devices[0].mode == 0666 && spec->devices[0].minor == 229);
	assert_true(spec->sysctl_count == 1);
	assert_string_equal(spec->sysctls[0].value, "1");
	assert_true(spec->resources.memory_limit == 1048576 && spec->resources.cpu_quota == 50000 &&
		    spec->resources.pids_limit == -1);
	assert_int_equal(spec->masked_paths.count, 1);
	assert_int_equal(spec->readonly_paths.count, 1);
}

static void test_bad_documents(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{'ociVersion':'2.0.0'}",
		"{'ociVersion':'1.0.0','process':[]}",
		"{'ociVersion':'1.0.0','process':{'args':[],'cwd':'/'}}",
		"{'ociVersion':'1.0.0','process':{'args':[''],'cwd':'/'}}",
		"{'ociVersion':'1.0.0','process':{'args':['x'],'cwd':'relative'}}",
		"{'ociVersion':'1.0.0','process':{'args':['x']}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'env':['novalue']}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'env':['=x']}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'user':{'uid':-1}}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'user':{'uid':4294967295}}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'user':{'additionalGids':['x']}}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'user':{'umask':512}}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'capabilities':{'bounding':['CAP_NONE']}}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS
		",'rlimits':[{'type':'RLIMIT_X','soft':1,'hard':1}]}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS
		",'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':1}]}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'oomScoreAdj':1001}}",
		"{'ociVersion':'1.0.0','process':{" PROCESS ",'consoleSize':{'height':65536,'width':1}}}",
		"{'ociVersion':'1.0.0','mounts':[{'destination':'proc'}]}",
		"{'ociVersion':'1.0.0','mounts':[{'destination':'/x','options':'ro'}]}",
		"{'ociVersion':'1.0.0','linux':{'devices':[{'path':'x','type':'c'}]}}",
		"{'ociVersion':'1.0.0','linux':{'devices':[{'path':'/x','type':'cc'}]}}",
		"{'ociVersion':'1.0.0','linux':{'devices':[{'path':'/x','type':''}]}}",
		"{'ociVersion':'1.0.0','linux':{'devices':[{'path':'/x','type':'c','major':4294967296}]}}",
		"{'ociVersion':'1.0.0','linux':{'sysctl':{'../x':'1'}}}",
		"{'ociVersion':'1.0.0','linux':{'sysctl':{'net/../x':'1'}}}",
		"{'ociVersion':'1.0.0','linux':{'sysctl':{'/etc/x':'1'}}}",
		"{'ociVersion':'1.0.0','linux':{'sysctl':{'x':1}}}",
		"{'ociVersion':'1.0.0','linux':{'resources':{'cpu':{'cpus':'0;1'}}}}",
		"{'ociVersion':'1.0.0','linux':{'maskedPaths':['proc']}}",
		"{'ociVersion':'1.0.0','hostname':'" LONG_NAME "'}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct oci_spec *spec = NULL;
		struct cor_error err;

		assert_true(try_spec(bad[i], &spec, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
		assert_non_null(strstr(err.msg, "config.json"));
		assert_null(spec);
	}
}

static void test_other_refusals(void **state)
{
	_free_ char *large = xcalloc(1, OCI_CONFIG_MAX + 2);
	struct oci_spec *spec = NULL;
	struct oci_process *process = NULL;
	struct cor_error err = {0};

	assert_true(try_spec("{'ociVersion':'1.0.0','hooks':{'prestart':[]}}", &spec, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_true(try_spec("{'ociVersion':'1.0.0','ociVersion':'1.0.0'}", &spec, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	assert_true(try_spec("no json", &spec, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	memset(large, ' ', OCI_CONFIG_MAX + 1);
	assert_true(oci_spec_parse(large, OCI_CONFIG_MAX + 1, &spec, &err) < 0);
	assert_int_equal(err.status, COR_EXHAUSTED);
	assert_true(oci_process_parse(large, OCI_CONFIG_MAX + 1, &process, &err) < 0);
	assert_int_equal(err.status, COR_EXHAUSTED);
}

static void test_process_alone(void **state)
{
	static const char text[] = "{\"args\":[\"true\"],\"cwd\":\"/tmp\"} ";
	_cleanup_(oci_process_freep) struct oci_process *process = NULL;

	assert_int_equal(oci_process_parse(text, sizeof(text) - 1, &process, NULL), 0);
	assert_string_equal(process->cwd, "/tmp");
	assert_int_equal(process->umask, -1);
	assert_false(process->has_oom_score_adj);
	assert_int_equal(oci_capability_number("CAP_NET_RAW"), 13);
	assert_true(oci_capability_number("NET_RAW") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process),       cmocka_unit_test(test_machine),
		cmocka_unit_test(test_bad_documents), cmocka_unit_test(test_other_refusals),
		cmocka_unit_test(test_process_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
