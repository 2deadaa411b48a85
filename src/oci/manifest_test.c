/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/manifest.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONFIG "{'mediaType':'" MEDIA_TYPE_CONFIG "','digest':'" DIGEST "','size':100}"
#define LAYER  "{'mediaType':'" MEDIA_TYPE_LAYER "+zstd','digest':'" DIGEST "','size':7}"

/* JSON with single quotes, for the sake of the eye. */
static json_t *parse(const char *text)
{
	_free_ char *copy = xstrdup(text);
	json_t *document;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	document = json_loads(copy, 0, NULL);
	assert_non_null(document);
	return document;
}

static int try_manifest(const char *text, struct manifest *ret, struct cor_error *err)
{
	_json_ json_t *document = parse(text);

	*err = (struct cor_error){0};
	return manifest_parse(document, ret, err);
}

static int try_index(const char *text, struct manifest_index *ret, struct cor_error *err)
{
	_json_ json_t *document = parse(text);

	*err = (struct cor_error){0};
	return manifest_index_parse(document, ret, err);
}

static void test_manifest(void **state)
{
	_manifest_ struct manifest m = {0};
	struct cor_error err;

	assert_int_equal(try_manifest("{'schemaVersion':2,'mediaType':'" MEDIA_TYPE_MANIFEST
				      "','config':" CONFIG ",'layers':[" LAYER "," LAYER
				      "],'annotations':{'a':'b'},'of the future':1}",
				      &m, &err),
			 0);
	assert_int_equal(m.layer_count, 2);
	assert_int_equal(m.config.size, 100);
	assert_string_equal(m.layers[1].digest, DIGEST);
	assert_int_equal(media_kind(m.layers[0].media_type), MEDIA_LAYER);
}

static void test_docker_manifest(void **state)
{
	_manifest_ struct manifest m = {0};
	struct cor_error err;

	assert_int_equal(try_manifest("{'schemaVersion':2,'mediaType':'" MEDIA_TYPE_DOCKER_MANIFEST
				      "','config':{'mediaType':'" MEDIA_TYPE_DOCKER_CONFIG
				      "','digest':'" DIGEST "','size':1},'layers':[{'mediaType':'application/"
				      "vnd.docker.image.rootfs.diff.tar.gzip',"
				      "'digest':'" DIGEST "','size':0}]}",
				      &m, &err),
			 0);
}

static void test_bad_manifests(void **state)
{
	static const struct {
		const char *text;
		enum cor_status status;
	} cases[] = {
		{"[]", COR_CORRUPT},
		{"{}", COR_CORRUPT},
		{"{'schemaVersion':1}", COR_UNSUPPORTED},
		{"{'schemaVersion':'2'}", COR_CORRUPT},
		{"{'schemaVersion':2,'layers':[" LAYER "]}", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG ",'layers':[]}", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG "}", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG ",'layers':[{}]}", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG ",'layers':[1]}", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG ",'layers':[" LAYER "],'manifests':[]}", COR_CORRUPT},
		{"{'schemaVersion':2,'mediaType':'" MEDIA_TYPE_INDEX "','config':" CONFIG ",'layers':[" LAYER
		 "]}",
		 COR_CORRUPT},
		{"{'schemaVersion':2,'config':" LAYER ",'layers':[" LAYER "]}", COR_UNSUPPORTED},
		{"{'schemaVersion':2,'config':" CONFIG ",'layers':[" CONFIG "]}", COR_UNSUPPORTED},
		{"{'schemaVersion':2,'config':{'mediaType':'" MEDIA_TYPE_CONFIG "','digest':'" DIGEST
		 "','size':-1},'layers':[" LAYER "]}",
		 COR_CORRUPT},
		{"{'schemaVersion':2,'config':{'mediaType':'" MEDIA_TYPE_CONFIG "','digest':'" DIGEST
		 "'},'layers':[" LAYER "]}",
		 COR_CORRUPT},
		{"{'schemaVersion':2,'config':{'mediaType':'" MEDIA_TYPE_CONFIG "','digest':'" DIGEST
		 "','size':1099511627777},'layers':[" LAYER "]}",
		 COR_CORRUPT},
		{"{'schemaVersion':2,'config':{'mediaType':'" MEDIA_TYPE_CONFIG
		 "','digest':'sha256:../../x','size':1},'layers':[" LAYER "]}",
		 COR_CORRUPT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct manifest m = {0};
		struct cor_error err;

		assert_true(try_manifest(cases[i].text, &m, &err) < 0);
		assert_int_equal(err.status, cases[i].status);
		assert_null(m.layers);
	}
}

static void test_too_many_layers(void **state)
{
	_json_ json_t *document = parse("{'schemaVersion':2,'config':" CONFIG ",'layers':[]}");
	struct manifest m;

	for (size_t i = 0; i <= MANIFEST_LAYERS_MAX; i++)
		json_array_append_new(json_object_get(document, "layers"), parse(LAYER));
	assert_true(manifest_parse(document, &m, NULL) < 0);
	json_array_remove(json_object_get(document, "layers"), 0);
	assert_int_equal(manifest_parse(document, &m, NULL), 0);
	manifest_release(&m);
}

static void test_index(void **state)
{
	_manifest_index_ struct manifest_index index = {0};
	struct cor_error err;

	assert_int_equal(
		try_index("{'schemaVersion':2,'manifests':[{'mediaType':'" MEDIA_TYPE_MANIFEST
			  "','digest':'" DIGEST "','size':5,'platform':{'os':'linux','architecture':'arm64'},"
			  "'annotations':{'org.opencontainers.image.ref.name':'t',"
			  "'io.containerd.image.name':'docker.io/x:t'}},{'mediaType':'odd','digest':'" DIGEST
			  "','size':5}]}",
			  &index, &err),
		0);
	assert_int_equal(index.count, 2);
	assert_true(index.items[0].has_platform);
	assert_string_equal(index.items[0].platform.variant, "v8");
	assert_string_equal(index.items[0].ref_name, "t");
	assert_string_equal(index.items[0].full_name, "docker.io/x:t");
	assert_false(index.items[1].has_platform);
	assert_int_equal(media_kind(index.items[1].media_type), MEDIA_OTHER);
}

static void test_bad_indexes(void **state)
{
	static const char *const bad[] = {
		"{'schemaVersion':2,'manifests':{}}",
		"{'schemaVersion':2,'manifests':[null]}",
		"{'schemaVersion':2,'manifests':[],'layers':[]}",
		"{'schemaVersion':2,'manifests':[],'config':{}}",
		"{'schemaVersion':2,'mediaType':'" MEDIA_TYPE_MANIFEST "','manifests':[]}",
		"{'schemaVersion':2,'manifests':[{'mediaType':'x','digest':'" DIGEST
		"','size':5,'platform':{'os':'../x'}}]}",
		"{'schemaVersion':2,'manifests':[{'mediaType':'x','digest':'" DIGEST
		"','size':5,'annotations':{'org.opencontainers.image.ref.name':1}}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct manifest_index index = {0};
		struct cor_error err;

		assert_true(try_index(bad[i], &index, &err) < 0);
		assert_int_equal(err.status, COR_CORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest),      cmocka_unit_test(test_docker_manifest),
		cmocka_unit_test(test_bad_manifests), cmocka_unit_test(test_too_many_layers),
		cmocka_unit_test(test_index),         cmocka_unit_test(test_bad_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
