/* SPDX-License-Identifier: Apache-2.0 */
/* An index is kept as it came, with its digest, also where only one of its images was fetched. So each of its manifests is looked for, and what is not here is no damage. */
#include "image/children.h"

#include "base/str.h"
#include "image/incoming.h"
#include "oci/hash.h"

#include <errno.h>
#include <sys/stat.h>

#define NESTING_MAX 4

void image_children_release(struct image_children *children)
{
	for (size_t i = 0; i < children->count; i++) {
		free(children->items[i].media_type);
		manifest_release(&children->items[i].manifest);
	}
	free(children->items);
	strv_release(&children->documents);
	*children = (struct image_children){0};
}

/* ---- reading ---- */

/* The bytes are those that the index names, and no manifest: an index that somebody made up may name any blob. */
static bool is_something_else(const struct image_store *store, const char *digest)
{
	_free_ char *data = NULL;
	char found[DIGEST_SIZE];
	size_t size;
	int r = file_read(store->blobs, digest_hex(digest), MANIFEST_SIZE_MAX, &data, &size);

	if (r < 0)
		return r == -EFBIG;
	hash_bytes(data, size, found);
	return strcmp(found, digest) == 0;
}

static enum child_state look(const struct image_store *store, struct image_child *child)
{
	struct manifest *manifest = &child->manifest;
	_json_ json_t *document = NULL;

	if (faccessat(store->blobs, digest_hex(child->digest), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return CHILD_ABSENT;
	child->is_image = store_read_json(store, child->digest, MANIFEST_SIZE_MAX, &document, NULL) == 0 &&
			  manifest_parse(document, manifest, NULL) == 0;
	if (!child->is_image && (!document || manifest_parse_any(document, manifest, NULL) < 0))
		return is_something_else(store, child->digest) ? CHILD_ABSENT : CHILD_DAMAGED;
	if (!store_has_blob(store, manifest->config.digest, manifest->config.size))
		return CHILD_INCOMPLETE;
	for (size_t i = 0; i < manifest->layer_count; i++)
		if (!store_has_blob(store, manifest->layers[i].digest, manifest->layers[i].size))
			return CHILD_INCOMPLETE;
	return CHILD_COMPLETE;
}

static bool is_known(const struct image_children *children, const char *digest)
{
	for (size_t i = 0; i < children->count; i++)
		if (strcmp(children->items[i].digest, digest) == 0)
			return true;
	return false;
}

static void add(const struct image_store *store, struct image_children *children, const struct descriptor *d)
{
	struct image_child *child;

	if (is_known(children, d->digest))
		return;
	children->items = xreallocarray(children->items, children->count + 1, sizeof(*children->items));
	child = &children->items[children->count++];
	*child = (struct image_child){.media_type = xstrdup(d->media_type),
				      .size = d->size,
				      .has_platform = d->has_platform,
				      .platform = d->platform};
	memcpy(child->digest, d->digest, sizeof(child->digest));
	child->state = look(store, child);
}

static int add_index(const struct image_store *store, struct image_children *children, const char *digest,
		     unsigned nesting, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	_json_ json_t *document = NULL;
	int r = store_read_json(store, digest, MANIFEST_SIZE_MAX, &document, err);

	r = r ?: manifest_index_parse(document, &index, err);
	if (r < 0)
		return r;
	strv_add(&children->documents, digest);
	for (size_t i = 0; i < index.count; i++) {
		const struct descriptor *d = &index.items[i];
		enum media_kind kind = media_kind(d->media_type);

		if (kind == MEDIA_MANIFEST)
			add(store, children, d);
		else if (kind == MEDIA_INDEX && nesting < NESTING_MAX &&
			 !strv_contains(&children->documents, d->digest))
			add_index(store, children, d->digest, nesting + 1, NULL);
	}
	return 0;
}

int image_children_read(const struct image_store *store, const struct index_image *image,
			struct image_children *ret, struct cor_error *err)
{
	struct descriptor top = {.media_type = image->media_type, .size = image->size};
	struct image_children children = {.is_index = media_kind(image->media_type) == MEDIA_INDEX};
	int r = 0;

	memcpy(top.digest, image->digest, sizeof(top.digest));
	if (children.is_index)
		r = add_index(store, &children, image->digest, 0, err);
	else
		add(store, &children, &top);
	if (r < 0) {
		image_children_release(&children);
		return r;
	}
	*ret = children;
	return 0;
}

/* ---- choosing ---- */

/* What the index says, or else the configuration. */
static bool platform_of(const struct image_store *store, const struct image_child *child,
			struct platform *ret)
{
	_image_config_ struct image_config config = {0};
	_json_ json_t *document = NULL;

	if (child->has_platform) {
		*ret = child->platform;
		return true;
	}
	if (child->state != CHILD_COMPLETE || !child->is_image ||
	    store_read_json(store, child->manifest.config.digest, IMAGE_CONFIG_SIZE_MAX, &document, NULL) <
		    0 ||
	    image_config_parse(document, &config, NULL) < 0)
		return false;
	*ret = config.platform;
	return true;
}

static int is_damaged(const struct image_child *child, struct cor_error *err)
{
	if (child->state == CHILD_ABSENT)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the image store lacks %s: remove the image and load it again",
				child->digest);
	return cor_fail(err, COR_CORRUPT, EBADMSG,
			"%s in the image store is damaged: remove the image and load it again",
			child->digest);
}

static struct image_child *find_digest(struct image_children *children, const char *digest)
{
	for (size_t i = 0; i < children->count; i++)
		if (strcmp(children->items[i].digest, digest) == 0)
			return &children->items[i];
	return NULL;
}

/* Of several for one platform the first counts, as everybody does it. */
static struct image_child *find_platform(const struct image_store *store, struct image_children *children,
					 const struct platform *wanted, struct strv *seen)
{
	for (size_t i = 0; i < children->count; i++) {
		struct platform has;

		if (!platform_of(store, &children->items[i], &has))
			continue;
		if (platform_matches(&has, wanted))
			return &children->items[i];
		incoming_note_platform(seen, &has);
	}
	return NULL;
}

static struct image_child *first_here(struct image_children *children)
{
	for (size_t i = 0; i < children->count; i++)
		if (children->items[i].is_image && children->items[i].state == CHILD_COMPLETE)
			return &children->items[i];
	return NULL;
}

static int choose_platform(const struct image_store *store, struct image_children *children,
			   const struct platform *wanted, struct image_child **ret, struct cor_error *err)
{
	struct platform host = platform_host();
	_strv_ struct strv seen = {0};
	struct image_child *child = find_platform(store, children, wanted ? wanted : &host, &seen);
	_free_ char *others = strv_join(&seen, ", ");
	char text[PLATFORM_TEXT_SIZE];

	platform_format(wanted ? wanted : &host, text);
	if (!wanted && (!child || child->state == CHILD_ABSENT))
		child = first_here(children);
	if (!child && !wanted)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"nothing is here of what its index names: pull it again");
	if (!child)
		return cor_fail(err, COR_UNSUPPORTED, ENOEXEC, "it is for %.200s, and %s is wanted",
				seen.count ? others : "nothing", text);
	if (child->state == CHILD_ABSENT)
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"its image for %s is not here: pull it with --platform %s", text, text);
	*ret = child;
	return 0;
}

int image_child_choose(const struct image_store *store, const struct index_image *image,
		       struct image_children *children, const struct platform *wanted,
		       struct image_child **ret, struct cor_error *err)
{
	const char *digest = children->is_index ? image->chosen : image->digest;
	struct image_child *child = *digest ? find_digest(children, digest) : NULL;
	int r = 0;

	if (!child)
		r = choose_platform(store, children, wanted, &child, err);
	if (r < 0)
		return r;
	if (child->state == CHILD_ABSENT || child->state == CHILD_DAMAGED)
		return is_damaged(child, err);
	*ret = child;
	return 0;
}
