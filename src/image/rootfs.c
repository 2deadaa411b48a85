/* SPDX-License-Identifier: Apache-2.0 */
/* From layers to a disk. `image load` does this, so that a bad layer is found when the image comes in; image_rootfs does it again where the file is
 * missing or was made by an older format.
 *
 * All disks have one virtual size, so that a saved machine takes any of them without asking the disk again. 64 GiB: as much as an ordinary container's
 * root ever needs, and an empty one of that size is 70 KB on the host, is laid out in a few milliseconds and mounts as fast as a small one. */
#include "image/rootfs.h"

#include "base/str.h"
#include "image/ext4.h"
#include "image/index.h"
#include "image/layer.h"
#include "image/tree.h"
#include "oci/hash.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Part of the key: to be raised when the same layers are to become other bytes. Containers' overlays lie on the older disks, so whoever raises it
 * must have the sweep in names.c keep both names of an image that is in use. */
#define ROOTFS_FORMAT 1

static void key_digest(const struct image_config *config, char out[DIGEST_SIZE])
{
	_free_ char *layers = strv_join(&config->diff_ids, "\n");
	_free_ char *text = str_format("format %d\n%s\n%s\n%s\n%s\n", ROOTFS_FORMAT, config->platform.os,
				       config->platform.architecture, config->platform.variant, layers);

	hash_bytes(text, strlen(text), out);
}

void rootfs_name(const struct image_config *config, char out[ROOTFS_NAME_SIZE])
{
	char digest[DIGEST_SIZE];

	key_digest(config, digest);
	snprintf(out, ROOTFS_NAME_SIZE, "%s.ext4", digest_hex(digest));
}

bool rootfs_exists(const struct image_store *store, const char *name)
{
	return faccessat(store->rootfs, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* From the key, so that equal layers give equal files: version 8 of RFC 9562. */
static void make_uuid(const struct image_config *config, uint8_t uuid[16])
{
	char digest[DIGEST_SIZE];
	const char *hex = digest_hex(digest);

	key_digest(config, digest);
	for (size_t i = 0; i < 16; i++) {
		char byte[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		uuid[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

/* The layers of an image, one after the other; the next one is already being decompressed while one is applied. */
struct layers {
	const struct manifest *manifest;
	layer_open_fn *open;
	void *userdata;
	size_t opened;
	struct stream *now, *next;
};

static void layers_release(struct layers *layers)
{
	stream_free(layers->now);
	stream_free(layers->next);
}

static int open_next(struct layers *layers, struct cor_error *err)
{
	struct source source;
	int r;

	if (layers->opened == layers->manifest->layer_count)
		return 0;
	r = layers->open(layers->userdata, &layers->manifest->layers[layers->opened], &source, err);
	if (r < 0)
		return r;
	layers->opened++;
	return stream_open(source, &layers->next, err);
}

static int advance(struct layers *layers, struct cor_error *err)
{
	int r = layers->opened ? 0 : open_next(layers, err);

	if (r < 0)
		return r;
	stream_free(layers->now);
	layers->now = steal_ptr(layers->next);
	return open_next(layers, err);
}

static int apply_layers(struct layers *layers, const struct image_config *config, struct tree *tree,
			struct ext4 *disk, struct cor_error *err)
{
	uint64_t budget = LAYERS_BUDGET;

	for (size_t i = 0; i < layers->manifest->layer_count; i++) {
		const char *diff_id = config->diff_ids.items[i];
		int r = advance(layers, err);

		r = r ?: layer_apply(layers->now, diff_id, (unsigned)i + 1, tree, disk, &budget, err);
		if (r < 0)
			return cor_context(err, r, "layer %.12s",
					   digest_hex(layers->manifest->layers[i].digest));
	}
	return ext4_write_tree(disk, tree, err);
}

int rootfs_verify(const struct manifest *manifest, const struct image_config *config,
		  layer_open_fn *open_layer, void *userdata, struct cor_error *err)
{
	_cleanup_(layers_release) struct layers layers = {
		.manifest = manifest, .open = open_layer, .userdata = userdata};
	uint64_t budget = LAYERS_BUDGET;

	for (size_t i = 0; i < manifest->layer_count; i++) {
		int r = advance(&layers, err);

		r = r ?: layer_verify(layers.now, config->diff_ids.items[i], &budget, err);
		if (r < 0)
			return cor_context(err, r, "layer %.12s", digest_hex(manifest->layers[i].digest));
	}
	return 0;
}

int rootfs_build(const struct manifest *manifest, const struct image_config *config,
		 layer_open_fn *open_layer, void *userdata, int dir, const char *file, struct cor_error *err)
{
	_fd_ int fd = openat(dir, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_(ext4_freep) struct ext4 *disk = NULL;
	_cleanup_(tree_release) struct tree tree;
	_cleanup_(layers_release) struct layers layers = {
		.manifest = manifest, .open = open_layer, .userdata = userdata};
	uint8_t uuid[16];
	int r;

	tree_init(&tree);
	if (fd < 0)
		return cor_fail_errno(err, errno, "make a disk");
	make_uuid(config, uuid);
	r = ext4_create(fd, DISK_SIZE, uuid, &disk, err);
	if (r < 0)
		return r;
	tree.forget = ext4_forget;
	tree.userdata = disk;
	r = apply_layers(&layers, config, &tree, disk, err);
	if (r < 0)
		return r;
	/* Never written again: containers write into overlays. */
	if (fchmod(fd, 0400) < 0 || fsync(fd) < 0)
		return cor_fail_errno(err, errno, "complete a disk");
	return 0;
}

int rootfs_publish(const struct image_store *store, int dir, const char *file, const char *name,
		   struct cor_error *err)
{
	/* Another one may still come in between, which is as good: whoever opened either of them keeps it. */
	if (!rootfs_exists(store, name) && renameat(dir, file, store->rootfs, name) < 0)
		return cor_fail_errno(err, errno, "put a disk into '%s/rootfs'", store->path);
	return store_sync_folder(store->rootfs, err);
}

/* ---- for containers ---- */

static int open_stored(void *userdata, const struct descriptor *layer, struct source *ret,
		       struct cor_error *err)
{
	int fd = -1;
	int r = store_open_blob(userdata, layer->digest, layer->size, &fd, err);

	if (r == 0)
		*ret = source_fd(fd);
	return r;
}

static int build_missing(struct image_store *store, const struct image_facts *facts, const char *name,
			 struct cor_error *err)
{
	_workspace_ struct workspace work = {0};
	int r = workspace_open(store, &work, err);

	r = r ?: rootfs_build(&facts->manifest, &facts->parsed, open_stored, store, work.fd, "disk", err);
	return r ?: rootfs_publish(store, work.fd, "disk", name, err);
}

/* Of several who want the same disk, one makes it and the others wait. */
static int ensure(struct image_store *store, const struct image_facts *facts, const char *name,
		  struct cor_error *err)
{
	_fd_ int fd = -1;
	int r;

	if (rootfs_exists(store, name))
		return 0;
	r = store_lock_named(store, name, &fd, err);
	if (r == 0 && !rootfs_exists(store, name))
		r = build_missing(store, facts, name, err);
	store_unlock_named(store, name, &fd);
	return r;
}

static int find_rootfs(struct image_store *store, const char *ref, const char *platform,
		       struct image_rootfs *ret, struct cor_error *err)
{
	struct platform wanted = platform_host();
	_image_facts_ struct image_facts facts = {0};
	_index_ struct index index = {0};
	char name[ROOTFS_NAME_SIZE];
	const char *meant;
	size_t position;
	int r = platform ? platform_parse(platform, &wanted, err) : 0;

	r = r ?: index_read(store, &index, err);
	r = r ?: index_find(store, &index, ref, &position, &meant, err);
	if (r < 0)
		return r;
	r = image_facts_read_for(store, &index.items[position], &wanted, &facts, err);
	if (r == 0 && facts.manifest.layer_count != facts.parsed.diff_ids.count)
		r = cor_fail(err, COR_CORRUPT, EBADMSG,
			     "its manifest and its configuration do not have the same layers");
	rootfs_name(&facts.parsed, name);
	r = r ?: ensure(store, &facts, name, err);
	if (r < 0)
		return cor_context(err, r, "image '%s'", ref);
	ret->path = str_format("%s/rootfs/%s", store->path, name);
	ret->size = DISK_SIZE;
	ret->image_id = xstrdup(facts.manifest.config.digest);
	ret->config = steal_ptr(facts.config);
	return 0;
}

int image_rootfs(struct image_store *store, const char *ref, const char *platform, struct image_rootfs *ret,
		 struct cor_error *err)
{
	struct image_rootfs rootfs = {.lock = -1};
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_SH, &fd, err);

	r = r ?: find_rootfs(store, ref, platform, &rootfs, err);
	if (r < 0)
		return r;
	rootfs.lock = steal_fd(&fd);
	*ret = rootfs;
	return 0;
}

void image_rootfs_release(struct image_rootfs *rootfs)
{
	free(rootfs->path);
	free(rootfs->image_id);
	json_decref(rootfs->config);
	close_fd(&rootfs->lock);
	*rootfs = (struct image_rootfs){.lock = -1};
}
