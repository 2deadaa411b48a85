/* SPDX-License-Identifier: Apache-2.0 */
/* The layer is stored as it is written, uncompressed: its digest is its diff_id then, and nothing has to be decompressed when it is unpacked. */
#include "image/commit.h"

#include "base/clock.h"
#include "base/str.h"
#include "image/index.h"
#include "image/rootfs.h"
#include "image/store.h"
#include "oci/hash.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LAYER    "layer"
#define CONFIG   "config"
#define MANIFEST "manifest"
#define DISK     "disk"

struct blob {
	char digest[DIGEST_SIZE];
	uint64_t size;
};

struct committing {
	struct image_store *store;
	const struct image_commit *commit;
	struct workspace work;
	struct image_facts facts; /* of the base */
	struct blob layer, config, manifest;
	json_t *config_document, *manifest_document;
	struct image_config parsed; /* of the new image */
	struct manifest all;        /* of the new image */
};

static void committing_release(struct committing *c)
{
	image_facts_release(&c->facts);
	image_config_release(&c->parsed);
	manifest_release(&c->all);
	json_decref(c->config_document);
	json_decref(c->manifest_document);
	workspace_release(&c->work);
}

static int read_base(struct committing *c, struct cor_error *err)
{
	_index_ struct index index = {0};
	const char *meant;
	size_t position;
	int r = index_read(c->store, &index, err);

	r = r ?: index_find(c->store, &index, c->commit->base, &position, &meant, err);
	r = r ?: image_facts_read(c->store, &index.items[position], &c->facts, err);
	if (r == 0 && strcmp(c->facts.manifest.config.digest, c->commit->base) != 0)
		r = cor_fail(err, COR_NOT_FOUND, ENOENT, "the container's image %.19s is not here any more",
			     c->commit->base);
	return r;
}

/* ---- the layer ---- */

static int hash_file(int fd, struct blob *ret, struct cor_error *err)
{
	_cleanup_(hash_release) struct hash hash;
	static const size_t piece = 1 << 18;
	_free_ uint8_t *data = xmalloc(piece);
	uint64_t at = 0;
	ssize_t n;

	hash_init(&hash);
	while ((n = pread(fd, data, piece, (off_t)at)) > 0) {
		hash_update(&hash, data, (size_t)n);
		at += (uint64_t)n;
	}
	if (n < 0)
		return cor_fail_errno(err, errno, "read the layer");
	hash_finish(&hash, ret->digest);
	ret->size = at;
	return 0;
}

static int make_layer(struct committing *c, struct cor_error *err)
{
	_fd_ int fd = openat(c->work.fd, LAYER, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return cor_fail_errno(err, errno, "write the layer");
	r = c->commit->write_layer(c->commit->userdata, fd, err);
	r = r ?: hash_file(fd, &c->layer, err);
	if (r == 0 && fsync(fd) < 0)
		r = cor_fail_errno(err, errno, "write the layer");
	return r;
}

/* ---- the documents ---- */

static json_t *member(json_t *object, const char *key, json_t *fresh)
{
	json_t *value = json_object_get(object, key);

	if (value && json_typeof(value) == json_typeof(fresh)) {
		json_decref(fresh);
		return value;
	}
	json_object_set_new(object, key, fresh);
	return fresh;
}

static int write_document(struct committing *c, const char *file, const json_t *document, struct blob *ret,
			  struct cor_error *err)
{
	_free_ char *text = json_dumps(document, JSON_COMPACT);
	int r;

	if (!text)
		return cor_fail(err, COR_INVALID, EILSEQ,
				"the image's documents would hold text that is not UTF-8");
	r = file_write_atomic(c->work.fd, file, text, strlen(text), 0600);
	if (r < 0)
		return cor_fail_errno(err, r, "write the image's documents");
	hash_bytes(text, strlen(text), ret->digest);
	ret->size = strlen(text);
	return 0;
}

static int make_config(struct committing *c, struct cor_error *err)
{
	json_t *config = c->config_document = json_deep_copy(c->facts.config), *step;
	char now[CLOCK_RFC3339_SIZE];
	int r;

	clock_format(clock_realtime_ns(), now);
	json_array_append_new(member(member(config, "rootfs", json_object()), "diff_ids", json_array()),
			      json_string(c->layer.digest));
	step = json_pack("{s:s, s:s}", "created", now, "created_by", "coracle commit");
	if (c->commit->author)
		json_object_set_new(step, "author", json_string(c->commit->author));
	if (c->commit->message)
		json_object_set_new(step, "comment", json_string(c->commit->message));
	json_array_append_new(member(config, "history", json_array()), step);
	json_object_set_new(config, "created", json_string(now));
	if (c->commit->author)
		json_object_set_new(config, "author", json_string(c->commit->author));
	r = c->commit->change(c->commit->userdata, member(config, "config", json_object()), err);
	r = r ?: write_document(c, CONFIG, config, &c->config, err);
	return r ?: image_config_parse(config, &c->parsed, err);
}

/* Docker's layers are what OCI's are, under another name. */
static const char *layer_type(const char *media_type)
{
	if (strstr(media_type, "gzip"))
		return MEDIA_TYPE_LAYER "+gzip";
	return strstr(media_type, "zstd") ? MEDIA_TYPE_LAYER "+zstd" : MEDIA_TYPE_LAYER;
}

static json_t *describe(const char *type, const char *digest, uint64_t size)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", digest, "size", (json_int_t)size);
}

static int make_manifest(struct committing *c, struct cor_error *err)
{
	json_t *layers = json_array();
	int r;

	for (size_t i = 0; i < c->facts.manifest.layer_count; i++) {
		const struct descriptor *layer = &c->facts.manifest.layers[i];

		json_array_append_new(layers,
				      describe(layer_type(layer->media_type), layer->digest, layer->size));
	}
	json_array_append_new(layers, describe(MEDIA_TYPE_LAYER, c->layer.digest, c->layer.size));
	c->manifest_document = json_pack(
		"{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", MEDIA_TYPE_MANIFEST, "config",
		describe(MEDIA_TYPE_CONFIG, c->config.digest, c->config.size), "layers", layers);
	r = write_document(c, MANIFEST, c->manifest_document, &c->manifest, err);
	return r ?: manifest_parse(c->manifest_document, &c->all, err);
}

/* ---- unpacking ---- */

static int open_layer(void *userdata, const struct descriptor *layer, struct source *ret,
		      struct cor_error *err)
{
	struct committing *c = userdata;
	int fd = -1, r = 0;

	if (strcmp(layer->digest, c->layer.digest) != 0) {
		r = store_open_blob(c->store, layer->digest, layer->size, &fd, err);
	} else {
		fd = openat(c->work.fd, LAYER, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? cor_fail_errno(err, errno, "read the layer") : 0;
	}
	if (r == 0)
		*ret = source_fd(fd);
	return r;
}

static int unpack(struct committing *c, struct cor_error *err)
{
	char name[ROOTFS_NAME_SIZE];

	rootfs_name(&c->parsed, name);
	if (rootfs_exists(c->store, name))
		return 0;
	return rootfs_build(&c->all, &c->parsed, open_layer, c, c->work.fd, DISK, err);
}

/* ---- publishing: the store's lock is held ---- */

static int publish_files(struct committing *c, struct cor_error *err)
{
	const struct image_store *store = c->store;
	char name[ROOTFS_NAME_SIZE];
	int r = 0;

	/* Its image is held by the container, and the container may have been removed. */
	for (size_t i = 0; i < c->facts.manifest.layer_count; i++)
		if (!store_has_blob(store, c->facts.manifest.layers[i].digest,
				    c->facts.manifest.layers[i].size))
			return cor_fail(err, COR_NOT_FOUND, ENOENT,
					"the container's image was removed meanwhile");
	r = store_publish_blob(store, c->work.fd, LAYER, c->layer.digest, c->layer.size, err);
	r = r ?: store_publish_blob(store, c->work.fd, CONFIG, c->config.digest, c->config.size, err);
	r = r ?: store_publish_blob(store, c->work.fd, MANIFEST, c->manifest.digest, c->manifest.size, err);
	rootfs_name(&c->parsed, name);
	if (r == 0 && faccessat(c->work.fd, DISK, F_OK, 0) == 0)
		r = rootfs_publish(store, c->work.fd, DISK, name, err);
	return r ?: store_sync_folder(store->blobs, err);
}

static int publish_name(struct committing *c, const char *name, struct cor_error *err)
{
	_index_ struct index index = {0};
	struct index_image *image;
	_fd_ int fd = -1;
	int r = index_lock(c->store, &fd, err);

	r = r ?: index_read(c->store, &index, err);
	if (r < 0)
		return r;
	image = index_add(&index, MEDIA_TYPE_MANIFEST, c->manifest.digest, c->manifest.size);
	if (name)
		index_set_name(&index, image, name);
	return index_write(c->store, &index, err);
}

static int publish(struct committing *c, const char *name, struct cor_error *err)
{
	_fd_ int fd = -1;
	int r = store_lock(c->store, LOCK_SH, &fd, err);

	r = r ?: publish_files(c, err);
	return r ?: publish_name(c, name, err);
}

int image_commit(struct image_store *store, const struct image_commit *commit, char **ret_id,
		 struct cor_error *err)
{
	_cleanup_(committing_release) struct committing c = {.store = store, .commit = commit};
	_free_ char *name = NULL;
	int r = commit->name ? index_name(commit->name, &name, err) : 0;

	if (r < 0)
		return r;
	store_sweep_tmp(store);
	r = workspace_open(store, &c.work, err);
	r = r ?: read_base(&c, err);
	r = r ?: make_layer(&c, err);
	r = r ?: make_config(&c, err);
	r = r ?: make_manifest(&c, err);
	r = r ?: unpack(&c, err);
	r = r ?: publish(&c, name, err);
	if (r == 0)
		*ret_id = xstrdup(c.config.digest);
	return r;
}
