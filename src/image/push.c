/* SPDX-License-Identifier: Apache-2.0 */
/* `image push`: first the blobs, several at a time, then the manifests, the one that gets the name last: so nobody ever finds a name at the registry behind which something is missing.
 * Documents go byte for byte as they are stored, so that digests stay. What is sent is held by links in a workspace, not by the store's lock. */
#include "base/clock.h"
#include "base/str.h"
#include "image/hash.h"
#include "image/incoming.h"
#include "image/index.h"
#include "oci/reference.h"
#include "registry/registry.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define CONCURRENT 3u
#define STEP_MS    100

struct upload {
	struct push *push;
	char digest[DIGEST_SIZE];
	uint64_t size, done;
	char *from; /* a repository of the registry that may have it */
	int fd;     /* while it runs */
	enum cor_transfer_state state;
};

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
	struct upload *uploads;
	size_t upload_count, begun, running, ended;
	uint64_t reported_ns;
	bool changed, failed;
	struct cor_error failure;
};

static void push_release(struct push *push)
{
	registry_free(push->registry);
	for (size_t i = 0; i < push->upload_count; i++) {
		free(push->uploads[i].from);
		close_fd(&push->uploads[i].fd);
	}
	free(push->uploads);
	for (size_t i = 0; i < push->document_count; i++) {
		free(push->documents[i].media_type);
		free(push->documents[i].data);
	}
	free(push->documents);
	workspace_release(&push->work);
	reference_release(&push->target);
}

/* ---- what is to be sent: the store's lock is held ---- */

static int add_document(struct push *push, const char *media_type, const char *digest, json_t **ret,
			struct cor_error *err)
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
	r = json_parse_object(data, size, digest, ret, err);
	if (r < 0)
		return r;
	push->documents = xreallocarray(push->documents, push->document_count + 1, sizeof(*push->documents));
	push->documents[push->document_count] =
		(struct document){.media_type = xstrdup(media_type), .data = steal_ptr(data), .size = size};
	strcpy(push->documents[push->document_count++].digest, digest);
	return 0;
}

static int add_blob(struct push *push, const struct descriptor *d, struct cor_error *err)
{
	struct upload *upload;
	struct stat st;

	for (size_t i = 0; i < push->upload_count; i++)
		if (strcmp(push->uploads[i].digest, d->digest) == 0)
			return 0;
	if (linkat(push->store->blobs, digest_hex(d->digest), push->work.fd, digest_hex(d->digest), 0) < 0)
		return errno == ENOENT
			       ? cor_fail(err, COR_NOT_FOUND, ENOENT, "the image store lacks %s", d->digest)
			       : cor_fail_errno(err, errno, "read %s from the image store", d->digest);
	if (fstatat(push->work.fd, digest_hex(d->digest), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint64_t)st.st_size != d->size)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s in the image store is damaged", d->digest);
	push->uploads = xreallocarray(push->uploads, push->upload_count + 1, sizeof(*push->uploads));
	upload = &push->uploads[push->upload_count++];
	*upload = (struct upload){.size = d->size, .fd = -1, .state = COR_TRANSFER_WAITING};
	strcpy(upload->digest, d->digest);
	return 0;
}

static int add_manifest(struct push *push, const char *media_type, const char *digest, struct cor_error *err)
{
	_manifest_ struct manifest manifest = {0};
	_json_ json_t *json = NULL;
	int r = add_document(push, media_type, digest, &json, err);

	r = r ?: manifest_parse_any(json, &manifest, err);
	r = r ?: add_blob(push, &manifest.config, err);
	for (size_t i = 0; r == 0 && i < manifest.layer_count; i++)
		r = add_blob(push, &manifest.layers[i], err);
	return r;
}

/* An image that is no index: it has one platform, and no other may be asked for. */
static int add_single(struct push *push, const struct index_image *image, struct cor_error *err)
{
	_image_facts_ struct image_facts facts = {0};
	struct strv seen = {0};
	int r = image_facts_read(push->store, image, &facts, err);

	if (r == 0 && push->options->platform && !platform_matches(&facts.parsed.platform, &push->wanted)) {
		incoming_note_platform(&seen, &facts.parsed.platform);
		r = incoming_no_platform(&push->wanted, &seen, err);
		strv_release(&seen);
	}
	return r ?: add_manifest(push, image->media_type, image->digest, err);
}

static void forget_all(struct push *push)
{
	for (size_t i = 0; i < push->document_count; i++) {
		free(push->documents[i].media_type);
		free(push->documents[i].data);
	}
	for (size_t i = 0; i < push->upload_count; i++)
		unlinkat(push->work.fd, digest_hex(push->uploads[i].digest), 0);
	push->document_count = push->upload_count = 0;
}

/* The index itself comes last. */
static int add_children(struct push *push, const struct manifest_index *index,
			const struct index_image *image, struct cor_error *err)
{
	_json_ json_t *json = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < index->count; i++)
		if (media_kind(index->items[i].media_type) == MEDIA_MANIFEST)
			r = add_manifest(push, index->items[i].media_type, index->items[i].digest, err);
		else
			r = cor_fail(err, COR_UNSUPPORTED, ENOTSUP, "its index holds '%.100s'",
				     index->items[i].media_type ? index->items[i].media_type : "");
	return r ?: add_document(push, image->media_type, image->digest, &json, err);
}

static int add_one_of(struct push *push, const struct manifest_index *index, struct cor_error *err)
{
	struct strv seen = {0};
	int r;

	for (size_t i = 0; i < index->count; i++) {
		const struct descriptor *d = &index->items[i];

		if (media_kind(d->media_type) != MEDIA_MANIFEST || !d->has_platform)
			continue;
		if (platform_matches(&d->platform, &push->wanted)) {
			strv_release(&seen);
			return add_manifest(push, d->media_type, d->digest, err);
		}
		incoming_note_platform(&seen, &d->platform);
	}
	r = incoming_no_platform(&push->wanted, &seen, err);
	strv_release(&seen);
	return r;
}

static int add_index(struct push *push, const struct index_image *image, struct cor_error *err)
{
	_manifest_index_ struct manifest_index index = {0};
	_json_ json_t *json = NULL;
	struct cor_error why = {0};
	int r = store_read_json(push->store, image->digest, MANIFEST_SIZE_MAX, &json, err);

	r = r ?: manifest_index_parse(json, &index, err);
	if (r < 0)
		return r;
	if (push->options->platform)
		return add_one_of(push, &index, err);
	r = add_children(push, &index, image, &why);
	if (r == -ENOENT) {
		forget_all(push);
		return add_one_of(push, &index, err);
	}
	if (r < 0 && err)
		*err = why;
	return r;
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

static void note_manifest(struct push *push, const char *digest, const char *repository)
{
	_manifest_ struct manifest manifest = {0};
	_json_ json_t *json = NULL;

	if (store_read_json(push->store, digest, MANIFEST_SIZE_MAX, &json, NULL) < 0 ||
	    manifest_parse_any(json, &manifest, NULL) < 0)
		return;
	for (size_t i = 0; i < push->upload_count; i++) {
		struct upload *upload = &push->uploads[i];
		bool has = strcmp(manifest.config.digest, upload->digest) == 0;

		for (size_t j = 0; !has && j < manifest.layer_count; j++)
			has = strcmp(manifest.layers[j].digest, upload->digest) == 0;
		if (has && !upload->from)
			upload->from = xstrdup(repository);
	}
}

static void note_image(struct push *push, const struct index_image *image, const char *repository)
{
	_manifest_index_ struct manifest_index index = {0};
	_json_ json_t *json = NULL;

	if (media_kind(image->media_type) != MEDIA_INDEX) {
		note_manifest(push, image->digest, repository);
		return;
	}
	if (store_read_json(push->store, image->digest, MANIFEST_SIZE_MAX, &json, NULL) < 0 ||
	    manifest_index_parse(json, &index, NULL) < 0)
		return;
	for (size_t i = 0; i < index.count; i++)
		note_manifest(push, index.items[i].digest, repository);
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
	image = &index.items[position];
	r = media_kind(image->media_type) == MEDIA_INDEX ? add_index(push, image, err)
							 : add_single(push, image, err);
	if (r == 0)
		note_siblings(push, &index);
	return r;
}

/* ---- sending ---- */

static void on_progress(void *userdata, uint64_t done)
{
	((struct upload *)userdata)->done = done;
}

static void set_state(struct upload *upload, enum cor_transfer_state state)
{
	upload->push->changed |= upload->state != state;
	upload->state = state;
}

static void on_state(void *userdata, enum cor_transfer_state state)
{
	set_state(userdata, state);
}

static void begin_more(struct push *push);

static void on_end(void *userdata, const struct cor_error *status)
{
	struct upload *upload = userdata;
	struct push *push = upload->push;

	push->running--;
	close_fd(&upload->fd);
	if (status->status != COR_OK) {
		if (!push->failed) {
			push->failure = *status;
			cor_context(&push->failure, 0, "blob %.12s", digest_hex(upload->digest));
		}
		push->failed = true;
		return;
	}
	push->ended++;
	upload->done = upload->size;
	if (upload->state != COR_TRANSFER_EXISTS && upload->state != COR_TRANSFER_MOUNTED)
		set_state(upload, COR_TRANSFER_DONE);
	begin_more(push);
}

static void begin(struct push *push, struct upload *upload)
{
	struct registry_upload wanted = {.size = upload->size,
					 .from = upload->from,
					 .on_progress = on_progress,
					 .on_state = on_state,
					 .on_end = on_end,
					 .userdata = upload};

	upload->push = push;
	upload->fd = openat(push->work.fd, digest_hex(upload->digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (upload->fd < 0) {
		push->failed = true;
		cor_fail_errno(&push->failure, errno, "read %s from the image store", upload->digest);
		return;
	}
	strcpy(wanted.digest, upload->digest);
	wanted.fd = upload->fd;
	push->running++;
	registry_upload(push->registry, &wanted);
}

static void begin_more(struct push *push)
{
	unsigned most = push->options->registry.concurrent ? push->options->registry.concurrent : CONCURRENT;

	while (!push->failed && push->running < most && push->begun < push->upload_count)
		begin(push, &push->uploads[push->begun++]);
}

static int report(struct push *push, bool at_once, struct cor_error *err)
{
	const struct cor_registry_options *options = &push->options->registry;
	_free_ struct cor_transfer *transfers = NULL;
	uint64_t now = clock_monotonic_ns();

	if (!options->progress ||
	    !(at_once || push->changed || now - push->reported_ns >= STEP_MS * UINT64_C(1000000)))
		return 0;
	push->reported_ns = now;
	push->changed = false;
	transfers = xcalloc(push->upload_count + 1, sizeof(*transfers));
	for (size_t i = 0; i < push->upload_count; i++)
		transfers[i] = (struct cor_transfer){
			.digest = push->uploads[i].digest,
			.done = push->uploads[i].done,
			.total = push->uploads[i].size,
			.state = push->uploads[i].state,
		};
	if (options->progress(options->userdata, transfers, push->upload_count) != 0)
		return cor_fail(err, COR_CANCELLED, ECANCELED, "cancelled");
	return 0;
}

static int send_blobs(struct push *push, struct cor_error *err)
{
	int r = 0;

	begin_more(push);
	while (r == 0 && !push->failed && push->ended < push->upload_count) {
		size_t running;

		r = registry_run(push->registry, STEP_MS, &running, err);
		r = r ?: report(push, false, err);
	}
	if (r == 0 && push->failed) {
		if (err)
			*err = push->failure;
		return -(push->failure.err ? push->failure.err : EIO);
	}
	return r ?: report(push, true, err);
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
	r = r ?: send_blobs(push, err);
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
