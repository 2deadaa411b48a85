/* SPDX-License-Identifier: Apache-2.0 */
/* A tag is always asked for; a document whose digest is known, only if it is not here. A document is what its Content-Type, or the descriptor that led to it, says that it is, and
 * nothing else (CVE-2021-41190). */
#include "image/remote.h"

#include "base/str.h"
#include "image/incoming.h"
#include "image/index.h"
#include "oci/hash.h"

#include <errno.h>

#define DOCUMENTS_MAX (32u << 20) /* bytes of all manifests of an index, which are kept in memory */

static void document_release(struct remote_document *document)
{
	free(document->media_type);
	free(document->data);
}

void remote_release(struct remote *remote)
{
	for (size_t i = 0; i < remote->count; i++) {
		document_release(&remote->images[i].document);
		manifest_release(&remote->images[i].manifest);
	}
	free(remote->images);
	document_release(&remote->root);
	*remote = (struct remote){0};
}

/* ---- one document ---- */

/* True if the store has it, undamaged. */
static bool read_stored(const struct image_store *store, const char *digest, const char *media_type,
			struct remote_document *ret)
{
	char found[DIGEST_SIZE];
	_free_ char *data = NULL;
	size_t size;

	if (file_read(store->blobs, digest_hex(digest), MANIFEST_SIZE_MAX, &data, &size) < 0)
		return false;
	hash_bytes(data, size, found);
	if (strcmp(found, digest) != 0)
		return false;
	*ret = (struct remote_document){
		.media_type = xstrdup(media_type), .data = steal_ptr(data), .size = size};
	strcpy(ret->digest, digest);
	return true;
}

/* digest is NULL for what a tag stands for. */
static int ask(struct registry *registry, const char *what, const char *digest, struct remote_document *ret,
	       struct cor_error *err)
{
	struct registry_manifest answer = {0};
	char found[DIGEST_SIZE];
	int r = registry_get_manifest(registry, what, &answer, err);

	if (r < 0)
		return r;
	hash_bytes(answer.data, answer.size, found);
	if (digest && strcmp(found, digest) != 0) {
		r = cor_fail(err, COR_CORRUPT, EBADMSG, "the registry answered with a manifest of digest %s",
			     found);
		registry_manifest_release(&answer);
		return r;
	}
	*ret = (struct remote_document){
		.media_type = answer.media_type, .data = answer.data, .size = answer.size};
	strcpy(ret->digest, found);
	return 0;
}

/* What index.json says of an image that is asked for by its digest. */
static char *stored_type(const struct image_store *store, const char *digest)
{
	_index_ struct index index = {0};

	if (index_read(store, &index, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < index.count; i++)
		if (strcmp(index.items[i].digest, digest) == 0)
			return xstrdup(index.items[i].media_type);
	return NULL;
}

static int find_root(const struct image_store *store, struct registry *registry, const struct reference *ref,
		     struct remote_document *ret, struct cor_error *err)
{
	_free_ char *type = ref->digest ? stored_type(store, ref->digest) : NULL;

	if (type && read_stored(store, ref->digest, type, ret))
		return 0;
	return ask(registry, ref->digest ? ref->digest : ref->tag, ref->digest, ret, err);
}

static int find_child(const struct image_store *store, struct registry *registry, const struct descriptor *d,
		      struct remote_document *ret, struct cor_error *err)
{
	int r;

	if (!read_stored(store, d->digest, d->media_type, ret)) {
		r = ask(registry, d->digest, d->digest, ret, err);
		if (r < 0)
			return r;
	}
	if (ret->size != d->size)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s has not the size that its index says",
				d->digest);
	if (!str_equal(ret->media_type, d->media_type))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s came as '%s', and its index says '%s'",
				d->digest, ret->media_type, d->media_type);
	return 0;
}

/* ---- manifests ---- */

/* wanted: it must be an image. What else an index holds (what a build attested) is only taken along. */
static int parse_manifest(struct remote_image *image, bool wanted, struct cor_error *err)
{
	const struct remote_document *document = &image->document;
	enum media_kind kind = MEDIA_OTHER;
	_json_ json_t *json = NULL;
	int r = json_parse_object(document->data, document->size, document->digest, &json, err);

	r = r ?: manifest_check_type(json, document->media_type, &kind, err);
	if (r < 0)
		return r;
	return wanted ? manifest_parse(json, &image->manifest, err)
		      : manifest_parse_any(json, &image->manifest, err);
}

static struct remote_image *add_image(struct remote *remote)
{
	remote->images = xreallocarray(remote->images, remote->count + 1, sizeof(*remote->images));
	remote->images[remote->count] = (struct remote_image){0};
	return &remote->images[remote->count++];
}

static int single(struct remote *remote, struct cor_error *err)
{
	struct remote_image *image = add_image(remote);

	image->document = (struct remote_document){
		.media_type = xstrdup(remote->root.media_type),
		.data = xmemdup(remote->root.data, remote->root.size),
		.size = remote->root.size,
	};
	strcpy(image->document.digest, remote->root.digest);
	remote->chosen = 0;
	return parse_manifest(image, true, err);
}

/* ---- indexes ---- */

/* The entry for the platform: of several the first, as everybody does. NULL. */
static const struct descriptor *choose(const struct manifest_index *index, const struct platform *wanted,
				       struct strv *seen)
{
	const struct descriptor *unsaid = NULL;

	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		if (media_kind(d->media_type) != MEDIA_MANIFEST)
			continue;
		if (d->has_platform && platform_matches(&d->platform, wanted))
			return d;
		if (d->has_platform)
			incoming_note_platform(seen, &d->platform);
		else
			unsaid = unsaid ? unsaid : d;
	}
	/* Its configuration will be asked. */
	return seen->count ? NULL : unsaid;
}

/* An index may name one manifest often. */
static bool is_known(const struct remote *remote, const char *digest)
{
	for (size_t i = 0; i < remote->count; i++)
		if (strcmp(remote->images[i].document.digest, digest) == 0)
			return true;
	return false;
}

static int add_child(const struct image_store *store, struct registry *registry, const struct descriptor *d,
		     bool wanted, struct remote *remote, struct cor_error *err)
{
	struct remote_image *image = add_image(remote);
	int r = find_child(store, registry, d, &image->document, err);

	return r ?: parse_manifest(image, wanted, err);
}

static int add_children(const struct image_store *store, struct registry *registry,
			const struct remote_wish *wish, const struct manifest_index *index,
			struct remote *remote, struct cor_error *err)
{
	struct strv seen = {0};
	uint64_t room = DOCUMENTS_MAX;
	const struct descriptor *chosen = choose(index, wish->platform, &seen);
	int r = 0;

	if (!chosen && !wish->all_platforms)
		r = incoming_no_platform(wish->platform, &seen, err);
	strv_release(&seen);
	for (size_t i = 0; r == 0 && i < index->count; i++) {
		const struct descriptor *d = &index->items[i];
		bool wanted = chosen && strcmp(d->digest, chosen->digest) == 0;

		if (media_kind(d->media_type) != MEDIA_MANIFEST || !(wanted || wish->all_platforms) ||
		    is_known(remote, d->digest))
			continue;
		if (d->size > room) {
			r = cor_fail(err, COR_CORRUPT, EFBIG, "its manifests are larger than %u MiB together",
				     DOCUMENTS_MAX >> 20);
			break;
		}
		room -= d->size;
		r = add_child(store, registry, d, wanted, remote, err);
		if (wanted)
			remote->chosen = remote->count - 1;
	}
	if (!chosen)
		remote->chosen = remote->count;
	return r;
}

static int from_index(const struct image_store *store, struct registry *registry,
		      const struct remote_wish *wish, struct remote *remote, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	enum media_kind kind = MEDIA_OTHER;
	_json_ json_t *json = NULL;
	int r = json_parse_object(remote->root.data, remote->root.size, remote->root.digest, &json, err);

	r = r ?: manifest_check_type(json, remote->root.media_type, &kind, err);
	r = r ?: manifest_index_parse(json, &index, err);
	return r ?: add_children(store, registry, wish, &index, remote, err);
}

int remote_find(const struct image_store *store, struct registry *registry, const struct remote_wish *wish,
		struct remote *ret, struct cor_error *err)
{
	_remote_ struct remote remote = {0};
	int r = find_root(store, registry, wish->ref, &remote.root, err);

	if (r < 0)
		return r;
	switch (media_kind(remote.root.media_type)) {
	case MEDIA_MANIFEST:
		r = single(&remote, err);
		break;
	case MEDIA_INDEX:
		r = from_index(store, registry, wish, &remote, err);
		break;
	default:
		r = cor_fail(err, COR_UNSUPPORTED, ENOTSUP, "it is no image but '%.100s'",
			     remote.root.media_type ? remote.root.media_type : "?");
	}
	if (r < 0)
		return r;
	*ret = remote;
	remote = (struct remote){0};
	return 0;
}
