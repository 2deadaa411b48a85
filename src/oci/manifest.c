/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes. Parsing is strict about what we use and ignores the rest: documents grow members. A descriptor says the size of what
 * it points to, so that whoever fetches it knows the limit before the first byte. */
#include "oci/manifest.h"

#include "base/json.h"

#include <ctype.h>
#include <errno.h>

static const struct {
	const char *type;
	enum media_kind kind;
} media_types[] = {
	{MEDIA_TYPE_MANIFEST, MEDIA_MANIFEST},
	{MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_MANIFEST},
	{MEDIA_TYPE_INDEX, MEDIA_INDEX},
	{MEDIA_TYPE_DOCKER_INDEX, MEDIA_INDEX},
	{MEDIA_TYPE_CONFIG, MEDIA_CONFIG},
	{MEDIA_TYPE_DOCKER_CONFIG, MEDIA_CONFIG},
	{MEDIA_TYPE_LAYER, MEDIA_LAYER},
	{MEDIA_TYPE_LAYER "+gzip", MEDIA_LAYER},
	{MEDIA_TYPE_LAYER "+zstd", MEDIA_LAYER},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_LAYER},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_LAYER},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_LAYER},
};

enum media_kind media_kind(const char *media_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(media_types); i++)
		if (str_equal(media_type, media_types[i].type))
			return media_types[i].kind;
	return MEDIA_OTHER;
}

static void descriptor_release(struct descriptor *d)
{
	free(d->media_type);
	free(d->ref_name);
	free(d->full_name);
	*d = (struct descriptor){0};
}

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&-^_.+"

/* type "/" subtype (RFC 6838, section 4.2). */
static bool media_type_valid(const char *media_type)
{
	for (int part = 0; part < 2; part++) {
		size_t n = strspn(media_type, NAME_BYTES);

		if (n == 0 || n > 127 || !isalnum((unsigned char)*media_type) ||
		    media_type[n] != (part == 0 ? '/' : '\0'))
			return false;
		media_type += n + 1;
	}
	return true;
}

static int malformed(struct cor_error *err, const char *what)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "%s is malformed", what);
}

static int parse_platform(const json_t *object, struct descriptor *d, struct cor_error *err)
{
	const char *os = NULL, *architecture = NULL, *variant = NULL;

	if (json_get_string(object, "os", &os) < 0 ||
	    json_get_string(object, "architecture", &architecture) < 0 ||
	    json_get_string(object, "variant", &variant) < 0 ||
	    platform_set(&d->platform, os, architecture, variant, NULL) < 0)
		return malformed(err, "the platform of a descriptor");
	d->has_platform = true;
	return 0;
}

/* annotations.md: all values are strings. NULL has none. */
static bool annotations_valid(json_t *annotations)
{
	const char *key;
	json_t *value;

	json_object_foreach (annotations, key, value)
		if (!json_is_string(value))
			return false;
	return true;
}

/* What an object must have to be a descriptor (descriptor.md#properties). The strings are borrowed. */
static int parse_core(const json_t *object, const char **digest, const char **media_type, uint64_t *ret_size,
		      struct cor_error *err)
{
	int64_t size = -1;

	if (!json_is_object(object))
		return malformed(err, "a descriptor");
	if (json_get_string(object, "digest", digest) < 0 || !digest_valid(*digest))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "a descriptor has no valid sha256 digest: %s",
				digest_problem(*digest));
	if (json_get_string(object, "mediaType", media_type) < 0 || !*media_type ||
	    !media_type_valid(*media_type))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the descriptor of %s has no valid mediaType",
				*digest);
	if (json_get_int(object, "size", &size) < 0 || size < 0 || size > DESCRIPTOR_SIZE_MAX)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the descriptor of %s has no sensible size",
				*digest);
	*ret_size = (uint64_t)size;
	return 0;
}

/* Fills *d, which the caller releases, also after a failure. */
static int parse_descriptor(const json_t *object, struct descriptor *d, struct cor_error *err)
{
	const char *media_type = NULL, *digest = NULL, *ref_name = NULL, *full_name = NULL;
	json_t *platform = NULL, *annotations = NULL;
	_strv_ struct strv urls = {0};
	int r = parse_core(object, &digest, &media_type, &d->size, err);

	if (r < 0)
		return r;
	/* From these nothing is ever fetched: whoever wrote the manifest chose them. */
	if (json_get_strv(object, "urls", &urls) < 0)
		return malformed(err, "the list of URLs of a descriptor");
	if (json_get_object(object, "annotations", &annotations) < 0 || !annotations_valid(annotations) ||
	    json_get_string(annotations, "org.opencontainers.image.ref.name", &ref_name) < 0 ||
	    json_get_string(annotations, "io.containerd.image.name", &full_name) < 0)
		return malformed(err, "an annotation of a descriptor");
	if (json_get_object(object, "platform", &platform) < 0)
		return malformed(err, "the platform of a descriptor");
	strcpy(d->digest, digest);
	d->media_type = xstrdup(media_type);
	d->ref_name = xstrdup(ref_name);
	d->full_name = xstrdup(full_name);
	return platform ? parse_platform(platform, d, err) : 0;
}

/* The list is released by the caller through *ret and *ret_count, also after a failure. */
static int parse_descriptors(const json_t *array, size_t max, struct descriptor **ret, size_t *ret_count,
			     struct cor_error *err)
{
	size_t count = json_array_size(array);

	if (count > max)
		return cor_fail(err, COR_CORRUPT, E2BIG, "a list of %zu descriptors is too long", count);
	*ret = xcalloc(count, sizeof(**ret));
	for (*ret_count = 0; *ret_count < count;) {
		struct descriptor *d = *ret + (*ret_count)++;
		int r = parse_descriptor(json_array_get(array, *ret_count - 1), d, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int obsolete(struct cor_error *err, const char *what)
{
	return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT, "%s has Docker's schema 1, which is obsolete",
			what);
}

static int check_version(const json_t *document, enum media_kind kind, const char *what,
			 struct cor_error *err)
{
	json_t *annotations = NULL;
	const char *media_type = NULL;
	int64_t version = 0;

	if (json_get_int(document, "schemaVersion", &version) < 0 ||
	    json_get_string(document, "mediaType", &media_type) < 0 ||
	    json_get_object(document, "annotations", &annotations) < 0 || !annotations_valid(annotations))
		return malformed(err, what);
	if (version == 1)
		return obsolete(err, what);
	if (version != 2)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s has no schemaVersion 2", what);
	if (media_type && media_kind(media_type) != kind)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s calls itself '%.100s'", what, media_type);
	return 0;
}

/* Docker's documents always say what they are; OCI's may leave it out. */
static bool must_say_type(const char *media_type)
{
	return str_equal(media_type, MEDIA_TYPE_DOCKER_MANIFEST) ||
	       str_equal(media_type, MEDIA_TYPE_DOCKER_INDEX);
}

int manifest_check_type(const json_t *document, const char *media_type, enum media_kind *ret,
			struct cor_error *err)
{
	enum media_kind kind = media_kind(media_type);
	const char *own = NULL;
	int r;

	if (str_equal(media_type, MEDIA_TYPE_DOCKER_SCHEMA_1) ||
	    str_equal(media_type, MEDIA_TYPE_DOCKER_SCHEMA_1_SIGNED))
		return obsolete(err, "the manifest");
	if (kind != MEDIA_MANIFEST && kind != MEDIA_INDEX)
		return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT,
				"'%.100s' is neither a manifest nor an index", media_type ?: "");
	r = check_version(document, kind, kind == MEDIA_INDEX ? "the index" : "the manifest", err);
	if (r < 0)
		return r;
	json_get_string(document, "mediaType", &own);
	if (own ? !str_equal(own, media_type) : must_say_type(media_type))
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"a document that came as '%s' calls itself '%.100s'", media_type, own ?: "");
	if (json_object_get(document, kind == MEDIA_INDEX ? "layers" : "manifests") ||
	    (kind == MEDIA_INDEX && json_object_get(document, "config")))
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"a document that came as '%s' is something else as well", media_type);
	*ret = kind;
	return 0;
}

int manifest_parse_any(const json_t *document, struct manifest *ret, struct cor_error *err)
{
	_manifest_ struct manifest m = {0};
	json_t *config = NULL, *layers = NULL;
	int r = check_version(document, MEDIA_MANIFEST, "the manifest", err);

	if (r < 0)
		return r;
	if (json_object_get(document, "manifests"))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the manifest is an index at the same time");
	if (json_get_object(document, "config", &config) < 0 || !config ||
	    json_get_array(document, "layers", &layers) < 0)
		return malformed(err, "the manifest");
	r = parse_descriptor(config, &m.config, err);
	r = r ?: parse_descriptors(layers, MANIFEST_LAYERS_MAX, &m.layers, &m.layer_count, err);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct manifest){0};
	return 0;
}

/* manifest.md#guidelines-for-artifact-usage: what has another configuration, or the empty one, is an artifact. */
static int check_is_image(const json_t *document, const struct manifest *m, struct cor_error *err)
{
	const char *type = NULL;

	if (media_kind(m->config.media_type) == MEDIA_CONFIG)
		return 0;
	if (json_get_string(document, "artifactType", &type) < 0)
		return malformed(err, "the type of an artifact");
	if (str_equal(m->config.media_type, MEDIA_TYPE_EMPTY) && str_empty(type))
		return cor_fail(
			err, COR_CORRUPT, EBADMSG,
			"the manifest has the empty configuration of an artifact, and no artifactType");
	return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT, "this is no container image but '%.100s'",
			type ?: m->config.media_type);
}

int manifest_parse(const json_t *document, struct manifest *ret, struct cor_error *err)
{
	_manifest_ struct manifest m = {0};
	int r = manifest_parse_any(document, &m, err);

	if (r < 0)
		return r;
	r = check_is_image(document, &m, err);
	if (r < 0)
		return r;
	if (m.layer_count == 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the image has no layers");
	for (size_t i = 0; i < m.layer_count; i++)
		if (media_kind(m.layers[i].media_type) != MEDIA_LAYER)
			return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT,
					"layer %s is of an unknown kind '%.100s'", m.layers[i].digest,
					m.layers[i].media_type);
	*ret = m;
	m = (struct manifest){0};
	return 0;
}

void manifest_release(struct manifest *manifest)
{
	descriptor_release(&manifest->config);
	for (size_t i = 0; i < manifest->layer_count; i++)
		descriptor_release(&manifest->layers[i]);
	free(manifest->layers);
	*manifest = (struct manifest){0};
}

int manifest_index_parse(const json_t *document, struct manifest_index *ret, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	json_t *manifests = NULL;
	int r = check_version(document, MEDIA_INDEX, "the index", err);

	if (r < 0)
		return r;
	if (json_object_get(document, "layers") || json_object_get(document, "config"))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the index is a manifest at the same time");
	if (json_get_array(document, "manifests", &manifests) < 0 || !manifests)
		return malformed(err, "the index");
	r = parse_descriptors(manifests, INDEX_ENTRIES_MAX, &index.items, &index.count, err);
	if (r < 0)
		return r;
	*ret = index;
	index = (struct manifest_index){0};
	return 0;
}

void manifest_index_release(struct manifest_index *index)
{
	for (size_t i = 0; i < index->count; i++)
		descriptor_release(&index->items[i]);
	free(index->items);
	*index = (struct manifest_index){0};
}
