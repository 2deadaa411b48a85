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
		    "'history':[1]}",
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

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{" SYSTEM "}",
		"{" ROOTFS "}",
		"{'os':'','architecture':'amd64'," ROOTFS "}",
		"{'os':'linux','architecture':'../amd64'," ROOTFS "}",
		"{" SYSTEM ",'rootfs':{'type':'other','diff_ids':[]}}",
		"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':['x']}}",
		"{" SYSTEM ",'rootfs':{'type':'layers','diff_ids':[1]}}",
		"{" SYSTEM "," ROOTFS ",'created':1}",
		"{" SYSTEM "," ROOTFS ",'config':[]}",
		"{" SYSTEM "," ROOTFS ",'config':{'Env':'A=b'}}",
		"{" SYSTEM "," ROOTFS ",'config':{'Env':[1]}}",
		"{" SYSTEM "," ROOTFS ",'config':{'User':1}}",
		"{" SYSTEM "," ROOTFS ",'config':{'Labels':{'a':1}}}",
		"{" SYSTEM "," ROOTFS ",'config':{'Volumes':[]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_config c = {0};
		struct cor_error err;

		assert_true(try(bad[i], &c, &err) < 0);
		assert_int_equal(err.status, COR_CORRUPT);
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
