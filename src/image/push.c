/* SPDX-License-Identifier: Apache-2.0 */
/* `image push`: first the blobs, several at a time, then the manifests, the one that gets the name last: so nobody ever finds a name at the registry behind which something is missing.
 * Documents go byte for byte as they are stored, so that digests stay. What is sent is held by links in a workspace, not by the store's lock. */
#include "base/str.h"
#include "image/children.h"
#include "image/uploads.h"
#include "oci/hash.h"
#include "oci/reference.h"
#include "registry/registry.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

struct document {
	char *media_type;
	char digest[DIGEST_SIZE];
	char *data;
	size_t size;
};

struct push {
	struct image_store *store;
	const struct cor_image_push_options *options;
	struct reference target;
	struct platform wanted;
	struct workspace work;
	struct registry *registry;
	struct document *documents; /* in the order in which they are sent: the one that gets the name last */
	size_t document_count;
	struct uploads uploads;
};

static void push_release(struct push *push)
{
	registry_free(push->registry);
	uploads_release(&push->uploads);
	for (size_t i = 0; i < push->document_count; i++) {
		free(push->documents[i].media_type);
		free(push->documents[i].data);
	}
	free(push->documents);
	workspace_release(&push->work);
	reference_release(&push->target);
}

/* ---- what is to be sent: the store's lock is held ---- */

static int add_document(struct push *push, const char *media_type, const char *digest, struct cor_error *err)
{
	_free_ char *data = NULL;
	char found[DIGEST_SIZE];
	size_t size;
	int r = file_read(push->store->blobs, digest_hex(digest), MANIFEST_SIZE_MAX, &data, &size);

	if (r == -ENOENT)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "the image store lacks %s", digest);
	if (r < 0)
		return cor_fail_errno(err, r, "read %s from the image store", digest);
	hash_bytes(data, size, found);
	if (strcmp(found, digest) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s in the image store is damaged", digest);
	push->documents = xreallocarray(push->documents, push->document_count + 1, sizeof(*push->documents));
	push->documents[push->document_count] =
		(struct document){.media_type = xstrdup(media_type), .data = steal_ptr(data), .size = size};
	strcpy(push->documents[push->document_count++].digest, digest);
	return 0;
}

static int add_blob(struct push *push, const struct descriptor *d, struct cor_error *err)
{
	struct stat st;

	if (linkat(push->store->blobs, digest_hex(d->digest), push->work.fd, digest_hex(d->digest), 0) < 0 &&
	    errno != EEXIST)
		return errno == ENOENT
			       ? cor_fail(err, COR_CORRUPT, ENOENT, "the image store lacks %s", d->digest)
			       : cor_fail_errno(err, errno, "read %s from the image store", d->digest);
	if (fstatat(push->work.fd, digest_hex(d->digest), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint64_t)st.st_size != d->size)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s in the image store is damaged", d->digest);
	uploads_add(&push->uploads, d->digest, d->size);
	return 0;
}

static int add_child(struct push *push, const struct image_child *child, struct cor_error *err)
{
	const struct manifest *manifest = &child->manifest;
	int r = add_document(push, child->media_type, child->digest, err);

	r = r ?: add_blob(push, &manifest->config, err);
	for (size_t i = 0; r == 0 && i < manifest->layer_count; i++)
		r = add_blob(push, &manifest->layers[i], err);
	return r;
}

static bool is_whole(const struct image_children *children)
{
	for (size_t i = 0; i < children->count; i++)
		if (children->items[i].state != CHILD_COMPLETE)
			return false;
	return children->documents.count == 1;
}

/* The index itself comes last. */
static int add_index(struct push *push, const struct index_image *image,
		     const struct image_children *children, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < children->count; i++)
		r = add_child(push, &children->items[i], err);
	return r ?: add_document(push, image->media_type, image->digest, err);
}

static int add_image(struct push *push, const struct index_image *image, struct cor_error *err)
{
	_image_children_ struct image_children children = {0};
	bool any = !push->options->platform;
	struct image_child *child;
	int r = image_children_read(push->store, image, &children, err);

	if (r < 0)
		return r;
	if (children.is_index && any && !*image->chosen && is_whole(&children))
		return add_index(push, image, &children, err);
	/* What is no index, and what was meant by its digest, goes whatever it is for. */
	r = image_child_choose(push->store, image, &children, any ? NULL : &push->wanted, &child, err);
	return r ?: add_child(push, child, err);
}

/* ---- where blobs may be already ---- */

/* Of a name in the registry that we push to: its repository there. The caller's; NULL. */
static char *sibling(const struct push *push, const char *name)
{
	_reference_ struct reference ref = {0};

	if (reference_parse(name, &ref, NULL) < 0 || !str_equal(ref.domain, push->target.domain) ||
	    str_equal(ref.path, push->target.path))
		return NULL;
	return steal_ptr(ref.path);
}

static bool has_blob(const struct image_child *child, const char *digest)
{
	if (child->state == CHILD_ABSENT || child->state == CHILD_DAMAGED)
		return false;
	if (strcmp(child->manifest.config.digest, digest) == 0)
		return true;
	for (size_t i = 0; i < child->manifest.layer_count; i++)
		if (strcmp(child->manifest.layers[i].digest, digest) == 0)
			return true;
	return false;
}

static void note_image(struct push *push, const struct index_image *image, const char *repository)
{
	_image_children_ struct image_children children = {0};

	if (image_children_read(push->store, image, &children, NULL) < 0)
		return;
	for (size_t i = 0; i < push->uploads.count; i++)
		for (size_t j = 0; j < children.count && !push->uploads.items[i].from; j++)
			if (has_blob(&children.items[j], push->uploads.items[i].digest))
				push->uploads.items[i].from = xstrdup(repository);
}

/* Images of ours with a name in the same registry came from there or went there. If that is not so any more, the registry says so and nothing is lost. */
static void note_siblings(struct push *push, const struct index *index)
{
	for (size_t i = 0; i < index->count; i++) {
		const char *name;

		strv_foreach (&index->items[i].names, j, name) {
			_free_ char *repository = sibling(push, name);

			if (!repository)
				continue;
			note_image(push, &index->items[i], repository);
			break;
		}
	}
}

/* ---- */

static int set_target(struct push *push, const char *ref, const char *meant, struct cor_error *err)
{
	const char *text = push->options->target ? push->options->target : meant;
	int r;

	if (!text)
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' says not under which name: give a target",
				ref);
	r = reference_parse(text, &push->target, err);
	if (r < 0)
		return r;
	if (!push->target.tag || push->target.digest)
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' cannot be pushed to: a digest is not chosen",
				text);
	return 0;
}

static int collect(struct push *push, const char *ref, struct cor_error *err)
{
	_index_ struct index index = {0};
	const struct index_image *image;
	const char *meant = NULL;
	size_t position = 0;
	_fd_ int fd = -1;
	int r = store_lock(push->store, LOCK_SH, &fd, err);

	r = r ?: index_read(push->store, &index, err);
	r = r ?: index_find(push->store, &index, ref, &position, &meant, err);
	r = r ?: set_target(push, ref, meant, err);
	r = r ?: workspace_open(push->store, &push->work, err);
	if (r < 0)
		return r;
	push->uploads.dir = push->work.fd;
	image = &index.items[position];
	r = add_image(push, image, err);
	if (r == 0)
		note_siblings(push, &index);
	return r;
}

static int send_documents(struct push *push, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < push->document_count; i++) {
		const struct document *d = &push->documents[i];
		bool last = i + 1 == push->document_count;

		r = registry_put_manifest(push->registry, last ? push->target.tag : d->digest, d->media_type,
					  d->data, d->size, err);
		if (r < 0)
			cor_context(err, r, "manifest %.12s", digest_hex(d->digest));
	}
	return r;
}

static int run(struct push *push, const char *ref, struct cor_error *err)
{
	int r = push->options->platform ? platform_parse(push->options->platform, &push->wanted, err) : 0;

	r = r ?: collect(push, ref, err);
	r = r ?: registry_open(&push->target, REGISTRY_PUSH, &push->options->registry, &push->registry, err);
	r = r ?: uploads_send(&push->uploads, push->registry, &push->options->registry, err);
	return r ?: send_documents(push, err);
}

int image_push(struct image_store *store, const char *ref, const struct cor_image_push_options *options,
	       char **ret_digest, struct cor_error *err)
{
	static const struct cor_image_push_options none;
	_cleanup_(push_release) struct push push = {
		.store = store, .options = options ? options : &none, .wanted = platform_host()};
	int r = run(&push, ref, err);

	if (r < 0)
		return cor_context(err, r, "push '%.200s'", ref);
	*ret_digest = xstrdup(push.documents[push.document_count - 1].digest);
	return 0;
}
