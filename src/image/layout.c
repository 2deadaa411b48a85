/* SPDX-License-Identifier: Apache-2.0 */
/* Images in an OCI layout (image-spec, image-layout.md). Each descriptor in index.json is an image, or an index of one image for several platforms, of which
 * the first that fits is taken; or all of them are kept, and the index too. */
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
	bool may_lack; /* manifests that an index names */
	/* Digests: a hostile index may name one document ten thousand times, and be named by others as often. */
	struct strv refused; /* documents without an image for the platform */
	struct strv kept;    /* of all platforms */
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

static bool is_there(const struct tarball *tarball, const char *digest)
{
	_free_ char *path = str_format("blobs/sha256/%s", digest_hex(digest));

	return tarball_find_file(tarball, path) != NULL;
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
	if (search->may_lack && !is_there(search->tarball, d->digest))
		return 0;
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
		strv_add(&search->refused, d->digest);
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
	if (r == 0)
		strv_add(&search->refused, d->digest);
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
	if (strv_contains(&search->refused, d->digest))
		return 0;
	switch (media_kind(d->media_type)) {
	case MEDIA_MANIFEST:
		return take_manifest(search, d, incoming, ret, err);
	case MEDIA_INDEX:
		return take_index(search, d, incoming, ret, err);
	default:
		return 0; /* readers ignore what they do not know */
	}
}

/* ---- whole indexes ---- */

/* All of it, or nothing: whoever made the archive may have left an image out, or what it is made of. */
static int keep_manifest(const struct tarball *tarball, const struct descriptor *d,
			 struct incoming_image *index, struct cor_error *err)
{
	const struct tarball_member *member = NULL;
	_manifest_ struct manifest manifest = {0};
	_json_ json_t *document = NULL;
	bool whole;
	int r = read_document(tarball, d, &member, &document, err);

	r = r ?: manifest_parse_any(document, &manifest, err);
	if (r < 0)
		return r;
	whole = is_there(tarball, manifest.config.digest);
	for (size_t i = 0; i < manifest.layer_count; i++)
		whole = whole && is_there(tarball, manifest.layers[i].digest);
	if (!whole)
		return 0;
	incoming_add_blob(index, member);
	r = tarball_find_blob(tarball, manifest.config.digest, manifest.config.size, &member, err);
	for (size_t i = 0; r == 0 && i <= manifest.layer_count; i++) {
		incoming_add_blob(index, member);
		if (i < manifest.layer_count)
			r = tarball_find_blob(tarball, manifest.layers[i].digest, manifest.layers[i].size,
					      &member, err);
	}
	return r;
}

static int keep_index(struct search *search, const struct descriptor *d, unsigned nesting,
		      struct incoming_image *image, struct cor_error *err)
{
	const struct tarball *tarball = search->tarball;
	_manifest_index_ struct manifest_index index = {0};
	const struct tarball_member *member = NULL;
	_json_ json_t *document = NULL;
	int r;

	if (nesting == NESTING_MAX)
		return cor_fail(err, COR_CORRUPT, ELOOP, "the archive nests indexes too deeply");
	r = read_document(tarball, d, &member, &document, err);
	r = r ?: manifest_index_parse(document, &index, err);
	if (r < 0)
		return r;
	incoming_add_blob(image, member);
	for (size_t i = 0; r == 0 && i < index.count; i++) {
		const struct descriptor *child = &index.items[i];
		enum media_kind kind = media_kind(child->media_type);

		if (!is_there(tarball, child->digest) || strv_contains(&search->kept, child->digest))
			continue;
		strv_add(&search->kept, child->digest);
		if (image->blob_count > TARBALL_MEMBERS_MAX)
			return cor_fail(err, COR_CORRUPT, E2BIG, "an index names too many blobs");
		if (kind == MEDIA_MANIFEST)
			r = keep_manifest(tarball, child, image, err);
		else if (kind == MEDIA_INDEX)
			r = keep_index(search, child, nesting + 1, image, err);
	}
	return r;
}

/* The index, and its image for the wanted platform, if it has one. *ret is where the index is. */
static int take_whole_index(struct search *search, const struct descriptor *d, struct incoming *incoming,
			    size_t *ret, struct cor_error *err)
{
	struct incoming_image *image;
	size_t position, before;
	int r;

	for (size_t i = 0; i < incoming->count; i++)
		if (strcmp(incoming->items[i].digest, d->digest) == 0) {
			*ret = i;
			return 1;
		}
	*ret = incoming->count;
	image = incoming_add(incoming);
	image->is_index = true;
	image->media_type = xstrdup(d->media_type);
	image->size = d->size;
	memcpy(image->digest, d->digest, sizeof(image->digest));
	strv_release(&search->kept);
	r = keep_index(search, d, 0, image, err);
	before = incoming->count;
	r = r ?: take_index(search, d, incoming, &position, err);
	if (r == 1 && position == before)
		incoming->items[position].inside = true;
	return r < 0 ? r : 1;
}

int incoming_from_layout(const struct tarball *tarball, const struct platform *wanted, bool all_platforms,
			 struct incoming *incoming, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	const struct tarball_member *member = tarball_find_file(tarball, "index.json");
	struct search search = {.tarball = tarball, .wanted = wanted, .may_lack = all_platforms};
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

		if (all_platforms && media_kind(d->media_type) == MEDIA_INDEX)
			r = take_whole_index(&search, d, incoming, &position, err);
		else
			r = take_descriptor(&search, d, incoming, &position, err);
		if (r < 0)
			cor_context(err, r, "image '%.100s'", name ? name : d->digest);
		if (r == 1)
			incoming->items[position].inside = false;
		if (r == 1 && !str_empty(name))
			strv_add(&incoming->items[position].names, name);
		r = MIN(r, 0);
	}
	if (r == 0 && !incoming->count)
		r = incoming_no_platform(wanted, &search.seen, err);
	strv_release(&search.seen);
	strv_release(&search.refused);
	strv_release(&search.kept);
	return r;
}
