/* SPDX-License-Identifier: Apache-2.0 */
/* Images in the archive that `docker save` wrote before it wrote OCI layouts, and that skopeo and podman call docker-archive: manifest.json lists
 * images by the names of their files. They have no manifest in the sense of OCI, so one is made. */
#include "image/incoming.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "oci/hash.h"

#include <errno.h>

#define LIST_SIZE_MAX (4u << 20)
#define IMAGES_MAX    1000

/* The media type of a layer, by the first bytes of its file. */
static const char *layer_type(const struct tarball *tarball, const struct tarball_member *member)
{
	static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
	unsigned char start[4] = {0};
	_fd_ int fd = openat(tarball->dir, member->file, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fd_read_all(fd, start, sizeof(start)) == 0) {
		if (memcmp(start, gzip, sizeof(gzip)) == 0)
			return MEDIA_TYPE_LAYER "+gzip";
		if (memcmp(start, zstd, sizeof(zstd)) == 0)
			return MEDIA_TYPE_LAYER "+zstd";
	}
	return MEDIA_TYPE_LAYER;
}

static json_t *descriptor(const char *media_type, const struct tarball_member *member)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", member->digest, "size",
			 (json_int_t)member->size);
}

/* A file that manifest.json names; its name says its digest as often as not. */
static int find_named(const struct tarball *tarball, const char *name, const struct tarball_member **ret,
		      struct cor_error *err)
{
	const struct tarball_member *member = tarball_find(tarball, name);

	if (!member)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"manifest.json in the archive names '%.200s', which is not there", name);
	*ret = member;
	return 0;
}

static int check_name_digest(const char *name, const struct tarball_member *member, struct cor_error *err)
{
	const char *last = strrchr(name, '/'), *hex = last ? last + 1 : name;
	_free_ char *digest = str_format("sha256:%.*s", (int)strcspn(hex, "."), hex);

	if (digest_valid(digest) && strcmp(digest, member->digest) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"'%.200s' in the archive has the digest %s: it is damaged or forged, so "
				"fetch it again",
				name, member->digest);
	return 0;
}

static int read_config(const struct tarball *tarball, const json_t *item, struct incoming_image *image,
		       json_t **ret_descriptor, struct cor_error *err)
{
	const struct tarball_member *member = NULL;
	_json_ json_t *document = NULL;
	const char *name = NULL;
	int r;

	if (json_get_string(item, "Config", &name) < 0 || str_empty(name))
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"manifest.json in the archive is malformed: 'Config'");
	r = find_named(tarball, name, &member, err);
	r = r ?: check_name_digest(name, member, err);
	r = r ?: tarball_read_json(tarball, member, IMAGE_CONFIG_SIZE_MAX, &document, err);
	r = r ?: image_config_parse(document, &image->config, err);
	if (r < 0)
		return r;
	incoming_add_blob(image, member);
	*ret_descriptor = descriptor(MEDIA_TYPE_CONFIG, member);
	return 0;
}

static int read_layers(const struct tarball *tarball, const json_t *item, struct incoming_image *image,
		       json_t *descriptors, struct cor_error *err)
{
	_strv_ struct strv names = {0};
	const char *name;

	if (json_get_strv(item, "Layers", &names) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"manifest.json in the archive is malformed: 'Layers'");
	strv_foreach (&names, i, name) {
		const struct tarball_member *member = NULL;
		int r = find_named(tarball, name, &member, err);

		if (r < 0)
			return r;
		incoming_add_blob(image, member);
		json_array_append_new(descriptors, descriptor(layer_type(tarball, member), member));
	}
	return 0;
}

/* It leads to the others. */
static void put_last_first(struct incoming_image *image)
{
	struct incoming_blob first = image->blobs[0];

	image->blobs[0] = image->blobs[image->blob_count - 1];
	image->blobs[image->blob_count - 1] = first;
}

/* Writes the manifest beside the archive's files, under a name that none of them has. */
static int make_manifest(const struct tarball *tarball, struct incoming *incoming,
			 struct incoming_image *image, const json_t *document, struct cor_error *err)
{
	_free_ char *text = json_dumps(document, JSON_COMPACT);
	struct tarball_member made = {.size = strlen(text)};
	int r = manifest_parse(document, &image->manifest, err);

	if (r < 0)
		return r;
	snprintf(made.file, sizeof(made.file), "manifest-%zu", incoming->count);
	hash_bytes(text, strlen(text), made.digest);
	r = file_write_atomic(tarball->dir, made.file, text, strlen(text), 0600);
	if (r < 0)
		return cor_fail_errno(err, r, "write a manifest");
	image->media_type = xstrdup(MEDIA_TYPE_MANIFEST);
	memcpy(image->digest, made.digest, sizeof(image->digest));
	image->size = made.size;
	incoming_add_blob(image, &made);
	put_last_first(image);
	return incoming_check(image, err);
}

static int add_names(const json_t *item, struct incoming_image *image, struct cor_error *err)
{
	if (json_get_strv(item, "RepoTags", &image->names) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"manifest.json in the archive is malformed: 'RepoTags'");
	return 0;
}

/* Images that differ in their names only are one. */
static int merge_last(struct incoming *incoming)
{
	struct incoming_image *last = &incoming->items[incoming->count - 1];

	for (size_t i = 0; i + 1 < incoming->count; i++) {
		if (strcmp(incoming->items[i].digest, last->digest) != 0)
			continue;
		strv_add_all(&incoming->items[i].names, &last->names);
		incoming_drop_last(incoming);
		break;
	}
	return 0;
}

static int take_image(const struct tarball *tarball, const json_t *item, const struct platform *wanted,
		      struct strv *seen, struct incoming *incoming, struct cor_error *err)
{
	struct incoming_image *image = incoming_add(incoming);
	_json_ json_t *manifest = NULL;
	json_t *config = NULL, *layers = json_array();
	int r = read_config(tarball, item, image, &config, err);

	manifest = json_pack("{s:i, s:s, s:o*, s:o}", "schemaVersion", 2, "mediaType", MEDIA_TYPE_MANIFEST,
			     "config", config, "layers", layers);
	if (r < 0)
		return r;
	if (!platform_matches(&image->config.platform, wanted)) {
		incoming_note_platform(seen, &image->config.platform);
		incoming_drop_last(incoming);
		return 0;
	}
	r = read_layers(tarball, item, image, layers, err);
	r = r ?: make_manifest(tarball, incoming, image, manifest, err);
	r = r ?: add_names(item, image, err);
	return r ?: merge_last(incoming);
}

int incoming_from_docker(const struct tarball *tarball, const struct platform *wanted,
			 struct incoming *incoming, struct cor_error *err)
{
	const struct tarball_member *member = tarball_find_file(tarball, "manifest.json");
	_json_ json_t *document = NULL;
	_strv_ struct strv seen = {0};
	json_t *item;
	size_t i;
	int r;

	if (!member)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the archive is neither an OCI layout nor a docker-archive: it has no "
				"index.json and no manifest.json");
	r = tarball_read_json(tarball, member, LIST_SIZE_MAX, &document, err);
	if (r < 0)
		return r;
	if (!json_is_array(document) || json_array_size(document) > IMAGES_MAX)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"manifest.json in the archive is no list of images");
	json_array_foreach (document, i, item) {
		r = take_image(tarball, item, wanted, &seen, incoming, err);
		if (r < 0)
			return r;
	}
	return incoming->count ? 0 : incoming_no_platform(wanted, &seen, err);
}
