/* SPDX-License-Identifier: Apache-2.0 */
/* Images in an OCI layout (image-spec, image-layout.md). Each descriptor in index.json is an image, or an index of one image for several platforms, of which
 * the first that fits is taken. */
#include "image/incoming.h"

#include "base/json.h"
#include "base/str.h"

#include <errno.h>

#define INDEX_SIZE_MAX (16u << 20)
#define NESTING_MAX    4

struct search {
	const struct tarball *tarball;
	const struct platform *wanted;
	struct strv seen; /* platforms */
	unsigned nesting;
};

static int check_layout(const struct tarball *tarball, struct cor_error *err)
{
	const struct tarball_member *member = tarball_find_file(tarball, "oci-layout");
	_json_ json_t *document = NULL;
	const char *version = NULL;
	int r;

	if (!member)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the archive has an index.json but no file oci-layout");
	r = tarball_read_json(tarball, member, 4096, &document, err);
	if (r < 0)
		return r;
	if (json_get_string(document, "imageLayoutVersion", &version) < 0 || !version)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "'oci-layout' in the archive names no version");
	if (!str_after(version, "1."))
		return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT,
				"the archive has version '%.40s' of the OCI layout, and 1 is known", version);
	return 0;
}

/* Reads a manifest or index and checks it against its descriptor. */
static int read_document(const struct tarball *tarball, const struct descriptor *d,
			 const struct tarball_member **ret_member, json_t **ret, struct cor_error *err)
{
	const struct tarball_member *member = NULL;
	int r = tarball_find_blob(tarball, d->digest, d->size, &member, err);

	r = r ?: tarball_read_json(tarball, member, MANIFEST_SIZE_MAX, ret, err);
	if (r == 0)
		*ret_member = member;
	return r;
}

/* Configuration and layers of an image whose manifest is read. */
static int collect(const struct tarball *tarball, struct incoming_image *image, struct cor_error *err)
{
	const struct tarball_member *member = NULL;
	_json_ json_t *config = NULL;
	int r = tarball_find_blob(tarball, image->manifest.config.digest, image->manifest.config.size,
				  &member, err);

	r = r ?: tarball_read_json(tarball, member, IMAGE_CONFIG_SIZE_MAX, &config, err);
	r = r ?: image_config_parse(config, &image->config, err);
	if (r < 0)
		return r;
	incoming_add_blob(image, member);
	return incoming_check(image, err);
}

static int collect_layers(const struct tarball *tarball, struct incoming_image *image, struct cor_error *err)
{
	for (size_t i = 0; i < image->manifest.layer_count; i++) {
		const struct descriptor *layer = &image->manifest.layers[i];
		const struct tarball_member *member = NULL;
		int r = tarball_find_blob(tarball, layer->digest, layer->size, &member, err);

		if (r < 0)
			return r;
		incoming_add_blob(image, member);
	}
	return 0;
}

/* 1: the manifest's image was added or was there, *ret says which; 0: it is for another platform. */
static int take_manifest(struct search *search, const struct descriptor *d, struct incoming *incoming,
			 size_t *ret, struct cor_error *err)
{
	const struct tarball_member *member = NULL;
	_json_ json_t *document = NULL;
	struct incoming_image *image;
	int r;

	for (size_t i = 0; i < incoming->count; i++)
		if (strcmp(incoming->items[i].digest, d->digest) == 0) {
			*ret = i;
			return 1;
		}
	r = read_document(search->tarball, d, &member, &document, err);
	if (r < 0)
		return r;
	image = incoming_add(incoming);
	image->media_type = xstrdup(d->media_type);
	image->size = d->size;
	memcpy(image->digest, d->digest, sizeof(image->digest));
	incoming_add_blob(image, member);
	r = manifest_parse(document, &image->manifest, err);
	r = r ?: collect(search->tarball, image, err);
	if (r < 0)
		return r;
	/* The configuration's word counts: a descriptor often has none, and may be wrong. */
	if (!platform_matches(&image->config.platform, search->wanted)) {
		incoming_note_platform(&search->seen, &image->config.platform);
		incoming_drop_last(incoming);
		return 0;
	}
	*ret = incoming->count - 1;
	r = collect_layers(search->tarball, image, err);
	return r < 0 ? r : 1;
}

static int take_descriptor(struct search *search, const struct descriptor *d, struct incoming *incoming,
			   size_t *ret, struct cor_error *err);

/* As take_manifest, for the first entry of an index that fits. */
static int take_index(struct search *search, const struct descriptor *d, struct incoming *incoming,
		      size_t *ret, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	const struct tarball_member *member = NULL;
	_json_ json_t *document = NULL;
	int r;

	if (search->nesting == NESTING_MAX)
		return cor_fail(err, COR_CORRUPT, ELOOP, "the archive nests indexes too deeply");
	r = read_document(search->tarball, d, &member, &document, err);
	r = r ?: manifest_index_parse(document, &index, err);
	search->nesting++;
	for (size_t i = 0; r == 0 && i < index.count; i++)
		r = take_descriptor(search, &index.items[i], incoming, ret, err);
	search->nesting--;
	return r;
}

static int take_descriptor(struct search *search, const struct descriptor *d, struct incoming *incoming,
			   size_t *ret, struct cor_error *err)
{
	/* An archive of one platform out of many lacks the blobs of the others. */
	if (d->has_platform && !platform_matches(&d->platform, search->wanted)) {
		incoming_note_platform(&search->seen, &d->platform);
		return 0;
	}
	switch (media_kind(d->media_type)) {
	case MEDIA_MANIFEST:
		return take_manifest(search, d, incoming, ret, err);
	case MEDIA_INDEX:
		return take_index(search, d, incoming, ret, err);
	default:
		return 0; /* readers ignore what they do not know */
	}
}

int incoming_from_layout(const struct tarball *tarball, const struct platform *wanted,
			 struct incoming *incoming, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	const struct tarball_member *member = tarball_find_file(tarball, "index.json");
	struct search search = {.tarball = tarball, .wanted = wanted};
	_json_ json_t *document = NULL;
	int r = check_layout(tarball, err);

	if (r == 0 && !member)
		r = cor_fail(err, COR_CORRUPT, ENOENT, "the archive has a file oci-layout but no index.json");
	r = r ?: tarball_read_json(tarball, member, INDEX_SIZE_MAX, &document, err);
	r = r ?: manifest_index_parse(document, &index, err);
	for (size_t i = 0; r == 0 && i < index.count; i++) {
		const struct descriptor *d = &index.items[i];
		const char *name = d->full_name ? d->full_name : d->ref_name;
		size_t position;

		r = take_descriptor(&search, d, incoming, &position, err);
		if (r < 0)
			cor_context(err, r, "image '%.100s'", name ? name : d->digest);
		if (r == 1 && !str_empty(name))
			strv_add(&incoming->items[position].names, name);
		r = MIN(r, 0);
	}
	if (r == 0 && !incoming->count)
		r = incoming_no_platform(wanted, &search.seen, err);
	strv_release(&search.seen);
	return r;
}
