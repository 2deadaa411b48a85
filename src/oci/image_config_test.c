/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/image_config.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS "'rootfs':{'type':'layers','diff_ids':['" DIGEST "']}"
#define SYSTEM "'os':'linux','architecture':'amd64'"

static int try(const char *text, struct image_config *ret, struct cor_error *err)
{
	_free_ char *copy = xstrdup(text);
	_json_ json_t *document = NULL;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	document = json_loads(copy, 0, NULL);
	assert_non_null(document);
	*err = (struct cor_error){0};
	return image_config_parse(document, ret, err);
}

static void test_good(void **state)
{
	_image_config_ struct image_config c = {0};
	struct cor_error err;

	assert_int_equal(
		try("{" SYSTEM "," ROOTFS
		    ",'created':'1970-01-01T00:00:01Z','config':{'User':'me','Env':['A=b'],'Cmd':null,"
		    "'Entrypoint':['x'],'Labels':{'a':'b'},'ExposedPorts':{'80/tcp':{}},'Volumes':{'/"
		    "v':{}},'StopSignal':'TERM'},"
		    "'history':[{'created_by':'x','empty_layer':true},{}],'os.version':'1','os.features':['x'"
		    "]}",
		    &c, &err),
		0);
	assert_int_equal(c.diff_ids.count, 1);
	assert_string_equal(c.diff_ids.items[0], DIGEST);
	assert_true(c.created_ns == 1000000000);
	assert_string_equal(c.platform.architecture, "amd64");
}

static void test_little_is_needed(void **state)
{
	_image_config_ struct image_config c = {0};
	struct cor_error err;

	assert_int_equal(try("{" SYSTEM
			     ",'created':'long ago','config':null,'rootfs':{'type':'layers','diff_ids':[]}}",
			     &c, &err),
			 0);
	assert_int_equal(c.diff_ids.count, 0);
	assert_true(c.created_ns == 0);
}

/* config.md#properties, rule by rule. CVE-2024-3727: a digest that is none. */
static void test_bad(void **state)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{"{}", "'os' is missing"},
		{"{'os':'linux'," ROOTFS "}", "'architecture' is missing"},
		{"{" SYSTEM "}", "'rootfs' is no object"},
		{"{" ROOTFS "}", "'os' is missing"},
		{"{'os':'','architecture':'amd64'," ROOTFS "}", "'os' is missing"},
		{"{'os':1,'architecture':'amd64'," ROOTFS "}", "'os' is missing or no string"},
		{"{'os':'linux','architecture':'../amd64'," ROOTFS "}", "name no platform"},
		{"{" SYSTEM ",'variant':7," ROOTFS "}", "'variant' is no string"},
		{"{" SYSTEM ",'os.version':7," ROOTFS "}", "'os.version' is no string"},
		{"{" SYSTEM ",'os.features':'x'," ROOTFS "}", "'os.features' is no list"},
		{"{" SYSTEM ",'rootfs':{'diff_ids':[]}}", "'rootfs.type' is not 'layers'"},
		{"{" SYSTEM ",'rootfs':{'type':'other','diff_ids':[]}}", "'rootfs.type' is not 'layers'"},
		{"{" SYSTEM ",'rootfs':{'type':'layers'}}", "'rootfs.diff_ids' is no list"},
		{"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':null}}", "'rootfs.diff_ids' is no list"},
		{"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':[1]}}", "'rootfs.diff_ids' is no list"},
		{"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':['x']}}", "no algorithm"},
		{"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':['sha256:../../x']}}", "64 lower-case"},
		{"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':['sha512:ab']}}", "only sha256 is taken"},
		{"{" SYSTEM "," ROOTFS ",'created':1}", "'created' is no string"},
		{"{" SYSTEM "," ROOTFS ",'history':{}}", "'history' is no list"},
		{"{" SYSTEM "," ROOTFS ",'history':[1]}", "'history' has an entry"},
		{"{" SYSTEM "," ROOTFS ",'history':[{'empty_layer':1}]}", "'history.empty_layer'"},
		{"{" SYSTEM "," ROOTFS ",'config':[]}", "'config' is no object"},
		{"{" SYSTEM "," ROOTFS ",'config':{'Env':'A=b'}}", "'Env' is no list"},
		{"{" SYSTEM "," ROOTFS ",'config':{'Env':[1]}}", "'Env' is no list"},
		{"{" SYSTEM "," ROOTFS ",'config':{'User':1}}", "'User' is no string"},
		{"{" SYSTEM "," ROOTFS ",'config':{'Labels':{'a':1}}}", "'Labels' has a value"},
		{"{" SYSTEM "," ROOTFS ",'config':{'Volumes':[]}}", "'Volumes' is no object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_config c = {0};
		struct cor_error err;

		assert_true(try(bad[i].text, &c, &err) < 0);
		if (err.status != COR_CORRUPT || !strstr(err.msg, bad[i].reason))
			fail_msg("%s: %s", bad[i].text, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_little_is_needed),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
