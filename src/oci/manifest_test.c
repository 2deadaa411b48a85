/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/manifest.h"

#include "base/buffer.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define CONFIG "{'mediaType':'" MEDIA_TYPE_CONFIG "','digest':'" DIGEST "','size':100}"
#define LAYER  "{'mediaType':'" MEDIA_TYPE_LAYER "+zstd','digest':'" DIGEST "','size':7}"

#define IMAGE_OF(members) "{" members "'schemaVersion':2,'config':" CONFIG ",'layers':[" LAYER "]}"
#define LAYER_OF(members) "{'schemaVersion':2,'config':" CONFIG ",'layers':[{" members "}]}"
#define ARTIFACT_OF(config, members)                                                                         \
	"{" members "'schemaVersion':2,'config':{" config ",'digest':'" DIGEST "','size':2},'layers':[]}"

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

/* The rules of manifest.md, image-index.md and descriptor.md, each with the reason that is told. CVE-2021-41190: what could be read as both is refused. CVE-2024-3727: a digest that is none.
 * CVE-2026-24054: an image without layers. */
static void test_reasons(void **state)
{
	static const struct {
		const char *text, *reason;
		enum cor_status status;
	} cases[] = {
		{"{'config':" CONFIG ",'layers':[" LAYER "]}", "no schemaVersion 2", COR_CORRUPT},
		{"{'schemaVersion':3,'config':" CONFIG ",'layers':[" LAYER "]}", "no schemaVersion 2",
		 COR_CORRUPT},
		{"{'schemaVersion':2.0,'config':" CONFIG ",'layers':[" LAYER "]}", "malformed", COR_CORRUPT},
		{"{'schemaVersion':1,'name':'x','fsLayers':[]}", "schema 1, which is obsolete",
		 COR_UNSUPPORTED},
		{IMAGE_OF("'manifests':[],"), "index at the same time", COR_CORRUPT},
		{IMAGE_OF("'manifests':null,"), "index at the same time", COR_CORRUPT},
		{IMAGE_OF("'mediaType':'" MEDIA_TYPE_INDEX "',"), "calls itself", COR_CORRUPT},
		{IMAGE_OF("'mediaType':'text/html',"), "calls itself", COR_CORRUPT},
		{IMAGE_OF("'annotations':{'a':1},"), "malformed", COR_CORRUPT},
		{IMAGE_OF("'annotations':[],"), "malformed", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG ",'layers':[]}", "no layers", COR_CORRUPT},
		{"{'schemaVersion':2,'config':" CONFIG "}", "no layers", COR_CORRUPT},
		{"{'schemaVersion':2,'layers':[" LAYER "]}", "malformed", COR_CORRUPT},
		{LAYER_OF("'digest':'" DIGEST "','size':1"), "no valid mediaType", COR_CORRUPT},
		{LAYER_OF("'mediaType':'tar','digest':'" DIGEST "','size':1"), "no valid mediaType",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b;c=d','digest':'" DIGEST "','size':1"), "no valid mediaType",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b/c','digest':'" DIGEST "','size':1"), "no valid mediaType",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'/b','digest':'" DIGEST "','size':1"), "no valid mediaType",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/','digest':'" DIGEST "','size':1"), "no valid mediaType",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':1"), "unknown kind 'a/b'",
		 COR_UNSUPPORTED},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':-1"), "no sensible size",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':1.5"), "no sensible size",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':'1'"), "no sensible size",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':1,'urls':'x'"), "list of URLs",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':1,'urls':[1]"), "list of URLs",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'" DIGEST "','size':1,'annotations':{'a':[]}"),
		 "an annotation", COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','size':1"), "digest: there is none", COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'sha512:" HEX HEX "','size':1"), "only sha256 is taken",
		 COR_CORRUPT},
		{LAYER_OF("'mediaType':'a/b','digest':'sha256:../../x','size':1"), "64 lower-case",
		 COR_CORRUPT},
		{ARTIFACT_OF("'mediaType':'" MEDIA_TYPE_EMPTY "'", "'artifactType':'application/x',"),
		 "no container image but 'application/x'", COR_UNSUPPORTED},
		{ARTIFACT_OF("'mediaType':'" MEDIA_TYPE_EMPTY "'", ""), "no artifactType", COR_CORRUPT},
		{ARTIFACT_OF("'mediaType':'application/vnd.cncf.helm.config.v1+json'", ""),
		 "no container image but 'application/vnd.cncf.helm.config.v1+json'", COR_UNSUPPORTED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct manifest m = {0};
		struct cor_error err;

		assert_true(try_manifest(cases[i].text, &m, &err) < 0);
		if (err.status != cases[i].status || !strstr(err.msg, cases[i].reason))
			fail_msg("%s: %d: %s", cases[i].text, err.status, err.msg);
	}
}

/* CVE-2020-15157: a foreign layer's URLs are the manifest's choice. They are read past: what a manifest leads to has no URLs. */
static void test_foreign_layers(void **state)
{
	_manifest_ struct manifest m = {0};
	struct cor_error err;

	assert_int_equal(
		try_manifest(LAYER_OF("'mediaType':'application/"
				      "vnd.docker.image.rootfs.foreign.diff.tar.gzip','digest':'" DIGEST
				      "','size':1,'urls':['http://169.254.169.254/x','file:///etc/passwd']"),
			     &m, &err),
		0);
	assert_int_equal(m.layer_count, 1);
}

/* CVE-2021-41190: a document is what it came as, or nothing. */
static void test_types(void **state)
{
	static const struct {
		const char *text, *came_as, *reason;
		enum media_kind kind;
	} cases[] = {
		{IMAGE_OF(""), MEDIA_TYPE_MANIFEST, NULL, MEDIA_MANIFEST},
		{IMAGE_OF("'mediaType':'" MEDIA_TYPE_MANIFEST "',"), MEDIA_TYPE_MANIFEST, NULL,
		 MEDIA_MANIFEST},
		{IMAGE_OF("'mediaType':'" MEDIA_TYPE_DOCKER_MANIFEST "',"), MEDIA_TYPE_DOCKER_MANIFEST, NULL,
		 MEDIA_MANIFEST},
		{"{'schemaVersion':2,'manifests':[]}", MEDIA_TYPE_INDEX, NULL, MEDIA_INDEX},
		{"{'schemaVersion':2,'mediaType':'" MEDIA_TYPE_DOCKER_INDEX "','manifests':[]}",
		 MEDIA_TYPE_DOCKER_INDEX, NULL, MEDIA_INDEX},
		{IMAGE_OF("'mediaType':'" MEDIA_TYPE_MANIFEST "',"), MEDIA_TYPE_INDEX, "calls itself",
		 MEDIA_OTHER},
		{IMAGE_OF("'mediaType':'" MEDIA_TYPE_MANIFEST "',"), MEDIA_TYPE_DOCKER_MANIFEST,
		 "calls itself", MEDIA_OTHER},
		{IMAGE_OF("'mediaType':'" MEDIA_TYPE_INDEX "',"), MEDIA_TYPE_MANIFEST, "calls itself",
		 MEDIA_OTHER},
		{IMAGE_OF(""), MEDIA_TYPE_DOCKER_MANIFEST, "calls itself ''", MEDIA_OTHER},
		{IMAGE_OF(""), MEDIA_TYPE_INDEX, "something else as well", MEDIA_OTHER},
		{IMAGE_OF("'manifests':[],"), MEDIA_TYPE_MANIFEST, "something else as well", MEDIA_OTHER},
		{"{'schemaVersion':2,'manifests':[],'config':{}}", MEDIA_TYPE_INDEX, "something else as well",
		 MEDIA_OTHER},
		{"{'schemaVersion':1}", MEDIA_TYPE_MANIFEST, "schema 1", MEDIA_OTHER},
		{IMAGE_OF(""), MEDIA_TYPE_DOCKER_SCHEMA_1_SIGNED, "schema 1", MEDIA_OTHER},
		{IMAGE_OF(""), MEDIA_TYPE_CONFIG, "neither a manifest nor an index", MEDIA_OTHER},
		{IMAGE_OF(""), "application/json", "neither a manifest nor an index", MEDIA_OTHER},
		{IMAGE_OF(""), NULL, "neither a manifest nor an index", MEDIA_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_json_ json_t *document = parse(cases[i].text);
		enum media_kind kind = MEDIA_OTHER;
		struct cor_error err = {0};
		int r = manifest_check_type(document, cases[i].came_as, &kind, &err);

		assert_int_equal(kind, cases[i].kind);
		if (!cases[i].reason != !r || (cases[i].reason && !strstr(err.msg, cases[i].reason)))
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

/* Documents in which one reader sees one thing and another reader something else, and ones that are only deep. */
static void test_text(void **state)
{
	_buffer_ struct buffer deep = {0};
	_json_ json_t *document = NULL;
	struct cor_error err = {0};
	static const char twice[] = "{\"layers\":[],\"layers\":[1]}", behind[] = "{} {}";

	assert_true(json_parse_object(twice, strlen(twice), "manifest", &document, &err) < 0);
	assert_non_null(strstr(err.msg, "duplicate object key"));
	assert_true(json_parse_object(behind, strlen(behind), "manifest", &document, &err) < 0);
	buffer_printf(&deep, "{\"a\":");
	for (int i = 0; i < 100000; i++)
		buffer_append(&deep, "[", 1);
	assert_true(json_parse_object((char *)buffer_bytes(&deep), buffer_size(&deep), "manifest", &document,
				      &err) < 0);
	assert_non_null(strstr(err.msg, "depth"));
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

	assert_int_equal(try_index("{'schemaVersion':2,'manifests':[{'mediaType':'" MEDIA_TYPE_MANIFEST
				   "','digest':'" DIGEST
				   "','size':5,'platform':{'os':'linux','architecture':'arm64'},"
				   "'annotations':{'org.opencontainers.image.ref.name':'t',"
				   "'io.containerd.image.name':'docker.io/x:t'}},{'mediaType':'application/"
				   "odd','digest':'" DIGEST "','size':5}]}",
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
		"{'schemaVersion':2}",
		"{'schemaVersion':2,'manifests':null}",
		"{'schemaVersion':2,'manifests':[{'digest':'" DIGEST "','size':5}]}",
		"{'schemaVersion':2,'manifests':{}}",
		"{'schemaVersion':2,'manifests':[null]}",
		"{'schemaVersion':2,'manifests':[],'layers':[]}",
		"{'schemaVersion':2,'manifests':[],'config':{}}",
		"{'schemaVersion':2,'mediaType':'" MEDIA_TYPE_MANIFEST "','manifests':[]}",
		"{'schemaVersion':2,'manifests':[{'mediaType':'a/x','digest':'" DIGEST
		"','size':5,'platform':{'os':'../x'}}]}",
		"{'schemaVersion':2,'manifests':[{'mediaType':'a/x','digest':'" DIGEST
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
		cmocka_unit_test(test_reasons),       cmocka_unit_test(test_foreign_layers),
		cmocka_unit_test(test_types),         cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
