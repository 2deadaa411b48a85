/* SPDX-License-Identifier: Apache-2.0 */
/* `image pull`. The network is served in the caller's thread; the layers of the chosen image are unpacked in another one while they come in. Everything is put together in a
 * workspace, and made part of the store at the end, with names last. No lock of the store is held before that, and what exists at the beginning is held by links in the
 * workspace: no removal takes it away meanwhile. Whenever this ends, parts stay, and no lock does.
 *
 *   reference -> documents (remote.c) -> blobs (downloads.c) ----> publish
 *                                          | fetch.c           ^
 *                                          +--> disk (unpack.c) |
 */
#include "base/size.h"
#include "base/str.h"
#include "image/downloads.h"
#include "image/incoming.h"
#include "image/index.h"
#include "image/layer.h"
#include "image/remote.h"
#include "image/rootfs.h"
#include "image/unpack.h"
#include "oci/reference.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define STEP_MS       100
#define BETTER_ANSWER GIB /* bytes that are fetched for one */

struct pull {
	struct image_store *store;
	const struct cor_image_pull_options *options;
	struct reference ref;
	struct platform wanted;
	struct registry *registry;
	struct remote remote;
	struct workspace work;
	struct downloads downloads;
	struct image_config config; /* of the chosen image, once it is here */
	bool has_config;
	struct unpack *unpack;
};

/* Readers end before what they read is released. */
static void pull_release(struct pull *pull)
{
	registry_free(pull->registry);
	downloads_cancel(&pull->downloads);
	unpack_free(pull->unpack);
	downloads_release(&pull->downloads);
	image_config_release(&pull->config);
	workspace_release(&pull->work);
	remote_release(&pull->remote);
	reference_release(&pull->ref);
}

static const struct remote_image *chosen(const struct pull *pull)
{
	return pull->remote.chosen < pull->remote.count ? &pull->remote.images[pull->remote.chosen] : NULL;
}

/* ---- nothing to do ---- */

static bool image_is_stored(const struct image_store *store, const struct remote_image *image)
{
	const struct manifest *manifest = &image->manifest;

	if (!store_has_blob(store, image->document.digest, image->document.size) ||
	    !store_has_blob(store, manifest->config.digest, manifest->config.size))
		return false;
	for (size_t i = 0; i < manifest->layer_count; i++)
		if (!store_has_blob(store, manifest->layers[i].digest, manifest->layers[i].size))
			return false;
	return true;
}

/* What an index says of its platforms may be wrong, and a manifest alone says nothing: the configuration does. */
static bool is_ready(const struct pull *pull, const struct remote_image *image)
{
	_cleanup_(image_config_release) struct image_config config = {0};
	_json_ json_t *json = NULL;
	char name[ROOTFS_NAME_SIZE];

	if (store_read_json(pull->store, image->manifest.config.digest, IMAGE_CONFIG_SIZE_MAX, &json, NULL) <
		    0 ||
	    image_config_parse(json, &config, NULL) < 0 || !platform_matches(&config.platform, &pull->wanted))
		return false;
	rootfs_name(&config, name);
	return rootfs_exists(pull->store, name);
}

static bool name_is_stored(const struct pull *pull, const struct index *index)
{
	_free_ char *name = reference_name(&pull->ref);

	for (size_t i = 0; i < index->count; i++)
		if (strcmp(index->items[i].digest, pull->remote.root.digest) == 0)
			return strv_contains(&index->items[i].names, name);
	return false;
}

static int find_unchanged(const struct pull *pull, bool *ret, struct cor_error *err)
{
	const struct image_store *store = pull->store;
	const struct remote *remote = &pull->remote;
	_index_ struct index index = {0};
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_SH, &fd, err);

	r = r ?: index_read(store, &index, err);
	if (r < 0)
		return r;
	*ret = name_is_stored(pull, &index) && store_has_blob(store, remote->root.digest, remote->root.size);
	for (size_t i = 0; *ret && i < remote->count; i++)
		*ret = image_is_stored(store, &remote->images[i]);
	if (*ret && chosen(pull))
		*ret = is_ready(pull, chosen(pull));
	return 0;
}

/* ---- fetching ---- */

static int add_blobs(struct pull *pull, const struct remote_image *image, struct cor_error *err)
{
	const struct manifest *manifest = &image->manifest;
	uint64_t room = LAYERS_BUDGET;
	int r;

	if (manifest->config.size > IMAGE_CONFIG_SIZE_MAX)
		return cor_fail(err, COR_CORRUPT, EFBIG, "its configuration is larger than %u MiB",
				IMAGE_CONFIG_SIZE_MAX >> 20);
	r = downloads_add(&pull->downloads, manifest->config.digest, manifest->config.size, err);
	for (size_t i = 0; r == 0 && i < manifest->layer_count; i++) {
		if (manifest->layers[i].size > room)
			return cor_fail(err, COR_CORRUPT, EFBIG, "its layers are larger than %llu GiB",
					(unsigned long long)(LAYERS_BUDGET >> 30));
		room -= manifest->layers[i].size;
		r = downloads_add(&pull->downloads, manifest->layers[i].digest, manifest->layers[i].size,
				  err);
	}
	return r;
}

/* The chosen image comes first: somebody waits for it. */
static int add_all_blobs(struct pull *pull, struct cor_error *err)
{
	const struct remote_image *first = chosen(pull);
	int r = first ? add_blobs(pull, first, err) : 0;

	for (size_t i = 0; r == 0 && i < pull->remote.count; i++)
		if (&pull->remote.images[i] != first)
			r = add_blobs(pull, &pull->remote.images[i], err);
	return r;
}

static int open_coming(void *userdata, const struct descriptor *layer, struct source *ret,
		       struct cor_error *err)
{
	struct download *item = downloads_find(userdata, layer->digest);

	if (!item)
		return cor_fail(err, COR_INTERNAL, ENOENT, "a layer got lost");
	*ret = fetch_source(&item->fetch);
	return 0;
}

static int read_config(struct pull *pull, const struct manifest *manifest, struct cor_error *err)
{
	_free_ char *text = NULL;
	_json_ json_t *json = NULL;
	struct strv seen = {0};
	size_t size;
	int r = file_read(pull->work.fd, digest_hex(manifest->config.digest), IMAGE_CONFIG_SIZE_MAX, &text,
			  &size);

	if (r < 0)
		return cor_fail_errno(err, r, "read the configuration");
	r = json_parse_object(text, size, "configuration", &json, err);
	r = r ?: image_config_parse(json, &pull->config, err);
	if (r < 0)
		return r;
	pull->has_config = true;
	if (pull->config.diff_ids.count != manifest->layer_count)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"its manifest and its configuration do not have the same layers");
	/* The configuration's word counts: an index may be wrong. */
	if (platform_matches(&pull->config.platform, &pull->wanted))
		return 0;
	incoming_note_platform(&seen, &pull->config.platform);
	r = incoming_no_platform(&pull->wanted, &seen, err);
	strv_release(&seen);
	return r;
}

static int begin_unpacking(struct pull *pull, struct cor_error *err)
{
	const struct remote_image *image = chosen(pull);
	const struct download *config;
	struct unpack_job job;
	int r;

	if (!image || pull->unpack)
		return 0;
	config = downloads_find(&pull->downloads, image->manifest.config.digest);
	if (config->step != DOWNLOAD_COMPLETE)
		return 0;
	r = read_config(pull, &image->manifest, err);
	if (r < 0)
		return r;
	job = (struct unpack_job){
		.store = pull->store,
		.manifest = &image->manifest,
		.config = &pull->config,
		.open_layer = open_coming,
		.userdata = &pull->downloads,
		.dir = pull->work.fd,
	};
	return unpack_start(&job, &pull->unpack, err);
}

static void mark_unpacked(struct pull *pull)
{
	const struct remote_image *image = chosen(pull);
	size_t layers = pull->unpack ? unpack_layers(pull->unpack) : 0;

	for (size_t i = 0; image && i < image->manifest.layer_count; i++) {
		struct download *item = downloads_find(&pull->downloads, image->manifest.layers[i].digest);

		pull->downloads.changed |= item->to_unpack != (i >= layers);
		item->to_unpack = i >= layers;
	}
}

/* Written to the disk while the last layers are unpacked. */
static int settle_blobs(struct pull *pull, struct cor_error *err)
{
	for (size_t i = 0; i < pull->downloads.count; i++) {
		_fd_ int fd = openat(pull->work.fd, digest_hex(pull->downloads.items[i]->fetch.digest),
				     O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0 || fdatasync(fd) < 0)
			return cor_fail_errno(err, errno, "complete %s",
					      pull->downloads.items[i]->fetch.digest);
	}
	return 0;
}

/* A layer that cannot be unpacked may be one that came wrongly: its digest tells which of the two it was, and that is the better answer, if it does not take long. */
static bool failed_for_good(struct pull *pull)
{
	const struct manifest *manifest = &chosen(pull)->manifest;
	struct cor_error reason = {0};
	uint64_t missing = 0;

	unpack_result(pull->unpack, &reason);
	for (size_t i = 0; i < unpack_opened(pull->unpack); i++) {
		const struct download *item = downloads_find(&pull->downloads, manifest->layers[i].digest);

		missing += item->step == DOWNLOAD_COMPLETE ? 0 : item->fetch.size - item->fetch.there;
	}
	return reason.status != COR_CORRUPT || reason.err == EFBIG || !missing || missing > BETTER_ANSWER;
}

/* 1 when the disk is there, or none is wanted; 0: not yet. */
static int look_at_unpacking(struct pull *pull, struct cor_error *err)
{
	int r = begin_unpacking(pull, err);

	if (r < 0)
		return r;
	if (!chosen(pull))
		return 1;
	if (!pull->unpack || !unpack_wait(pull->unpack, 0))
		return 0;
	r = unpack_result(pull->unpack, NULL);
	if (r < 0)
		return failed_for_good(pull) ? unpack_result(pull->unpack, err) : 0;
	return 1;
}

static int fetch_and_unpack(struct pull *pull, struct cor_error *err)
{
	int r = look_at_unpacking(pull, err);

	while (r >= 0 && !downloads_done(&pull->downloads)) {
		r = downloads_run(&pull->downloads, STEP_MS, err);
		if (r == 0)
			r = look_at_unpacking(pull, err);
		mark_unpacked(pull);
	}
	if (r >= 0)
		r = settle_blobs(pull, err);
	while (r >= 0) {
		r = look_at_unpacking(pull, err);
		mark_unpacked(pull);
		if (r == 1)
			return downloads_report(&pull->downloads, true, err);
		if (r == 0)
			r = downloads_report(&pull->downloads, false, err);
		if (r == 0)
			unpack_wait(pull->unpack, STEP_MS);
	}
	return r;
}

/* ---- publishing ---- */

static int put_document(struct pull *pull, const struct remote_document *document, struct cor_error *err)
{
	int r = file_write_new(pull->work.fd, digest_hex(document->digest), document->data, document->size,
			       0400);

	if (r < 0 && r != -EEXIST)
		return cor_fail_errno(err, r, "write a manifest");
	return store_publish_blob(pull->store, pull->work.fd, digest_hex(document->digest), document->digest,
				  document->size, err);
}

static int publish_files(struct pull *pull, struct cor_error *err)
{
	char disk[ROOTFS_NAME_SIZE];
	int r = 0;

	for (size_t i = 0; r == 0 && i < pull->downloads.count; i++) {
		const struct fetch *f = &pull->downloads.items[i]->fetch;

		r = store_publish_blob(pull->store, pull->work.fd, digest_hex(f->digest), f->digest, f->size,
				       err);
	}
	for (size_t i = 0; r == 0 && i < pull->remote.count; i++)
		r = put_document(pull, &pull->remote.images[i].document, err);
	r = r ?: put_document(pull, &pull->remote.root, err);
	if (r == 0 && faccessat(pull->work.fd, UNPACK_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		rootfs_name(&pull->config, disk);
		r = rootfs_publish(pull->store, pull->work.fd, UNPACK_FILE, disk, err);
	}
	return r ?: store_sync_folder(pull->store->blobs, err);
}

static int publish_name(struct pull *pull, struct cor_error *err)
{
	_free_ char *name = reference_name(&pull->ref);
	const struct remote_document *root = &pull->remote.root;
	_index_ struct index index = {0};
	struct index_image *image;
	_fd_ int fd = -1;
	int r = index_lock(pull->store, &fd, err);

	r = r ?: index_read(pull->store, &index, err);
	if (r < 0)
		return r;
	image = index_add(&index, root->media_type, root->digest, root->size);
	index_set_name(&index, image, name);
	return index_write(pull->store, &index, err);
}

static int publish(struct pull *pull, struct cor_error *err)
{
	_fd_ int fd = -1;
	int r = store_lock(pull->store, LOCK_SH, &fd, err);

	r = r ?: publish_files(pull, err);
	r = r ?: publish_name(pull, err);
	close_fd(&fd);
	for (size_t i = 0; r == 0 && i < pull->downloads.count; i++)
		fetch_published(&pull->downloads.items[i]->fetch);
	return r;
}

/* ---- */

static int bring(struct pull *pull, struct cor_error *err)
{
	int r = workspace_open(pull->store, &pull->work, err);

	if (r < 0)
		return r;
	downloads_init(&pull->downloads, pull->store, pull->work.fd, pull->registry,
		       &pull->options->registry);
	r = add_all_blobs(pull, err);
	r = r ?: fetch_and_unpack(pull, err);
	return r ?: publish(pull, err);
}

static int run(struct pull *pull, const char *text, bool *ret_unchanged, struct cor_error *err)
{
	struct remote_wish wish = {
		.ref = &pull->ref, .platform = &pull->wanted, .all_platforms = pull->options->all_platforms};
	int r = reference_parse(text, &pull->ref, err);

	if (r == 0 && pull->options->platform)
		r = platform_parse(pull->options->platform, &pull->wanted, err);
	r = r ?: registry_open(&pull->ref, REGISTRY_PULL, &pull->options->registry, &pull->registry, err);
	r = r ?: remote_find(pull->store, pull->registry, &wish, &pull->remote, err);
	r = r ?: find_unchanged(pull, ret_unchanged, err);
	if (r < 0 || *ret_unchanged)
		return r;
	store_sweep_tmp(pull->store);
	return bring(pull, err);
}

int image_pull(struct image_store *store, const char *ref, const struct cor_image_pull_options *options,
	       struct cor_image_pulled *ret, struct cor_error *err)
{
	static const struct cor_image_pull_options none;
	_cleanup_(pull_release) struct pull pull = {
		.store = store, .options = options ? options : &none, .wanted = platform_host()};
	bool unchanged = false;
	int r = run(&pull, ref, &unchanged, err);

	if (r < 0)
		return cor_context(err, r, "pull '%.200s'", ref);
	*ret = (struct cor_image_pulled){
		.name = pull.ref.tag ? reference_name(&pull.ref) : NULL,
		.digest = xstrdup(pull.remote.root.digest),
		.id = chosen(&pull) ? xstrdup(chosen(&pull)->manifest.config.digest) : NULL,
		.unchanged = unchanged,
	};
	return 0;
}
