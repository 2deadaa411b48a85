/* SPDX-License-Identifier: Apache-2.0 */
/* Giving names to images and taking them away. With its last name an image goes, and then everything that no other image needs: blobs, disks, and
 * what a crash left. Containers hold images by their ids, so a name may always move. */
#include "base/str.h"
#include "image/index.h"
#include "image/rootfs.h"
#include "oci/reference.h"

#include <errno.h>
#include <sys/file.h>

/* ---- tag ---- */

static int set_name(struct image_store *store, const char *ref, const char *name, struct cor_error *err)
{
	_index_ struct index index = {0};
	const char *meant;
	size_t position;
	_fd_ int fd = -1;
	int r = index_lock(store, &fd, err);

	r = r ?: index_read(store, &index, err);
	r = r ?: index_find(store, &index, ref, &position, &meant, err);
	if (r < 0)
		return r;
	index_set_name(&index, &index.items[position], name);
	return index_write(store, &index, err);
}

int image_tag(struct image_store *store, const char *ref, const char *new_name, struct cor_error *err)
{
	_free_ char *name = NULL;
	_fd_ int fd = -1;
	int r = index_name(new_name, &name, err);

	if (r < 0)
		return r;
	r = store_lock(store, LOCK_SH, &fd, err);
	return r ?: set_name(store, ref, name, err);
}

/* ---- rm ---- */

/* Names of files that are needed: blobs by their digits, disks with their ending. */
static int collect_needed(const struct image_store *store, const struct index *index, struct strv *blobs,
			  struct strv *disks)
{
	for (size_t i = 0; i < index->count; i++) {
		_image_facts_ struct image_facts facts = {0};
		char disk[ROOTFS_NAME_SIZE];
		int r = image_facts_read(store, &index->items[i], &facts, NULL);

		if (r < 0)
			return r;
		strv_add(blobs, digest_hex(index->items[i].digest));
		strv_add(blobs, digest_hex(facts.manifest.config.digest));
		for (size_t j = 0; j < facts.manifest.layer_count; j++)
			strv_add(blobs, digest_hex(facts.manifest.layers[j].digest));
		rootfs_name(&facts.parsed, disk);
		strv_add(disks, disk);
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sweep_folder(int dir, struct strv *needed)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d)
		close_fd(&fd);
	if (needed->count)
		qsort(needed->items, needed->count, sizeof(*needed->items), by_text);
	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;
		bool is_needed = needed->count && bsearch(&name, needed->items, needed->count,
							  sizeof(*needed->items), by_text);

		if (!is_needed && dir_entry_type(dir, entry) == DT_REG)
			unlinkat(dir, name, 0);
	}
}

/* Removes what the index does not lead to. Where an image is damaged nobody knows what it needs: then nothing goes, until that image is removed. */
static void sweep(const struct image_store *store, const struct index *index)
{
	_strv_ struct strv blobs = {0}, disks = {0};

	store_sweep_tmp(store);
	if (collect_needed(store, index, &blobs, &disks) < 0)
		return;
	sweep_folder(store->blobs, &blobs);
	sweep_folder(store->rootfs, &disks);
}

static void tell(struct strv *told, const char *name)
{
	_free_ char *familiar = reference_familiar(name);

	strv_addf(told, "untagged: %s", familiar);
}

/* An image that a container uses keeps its place in the index, without a name. */
static int remove_image(struct image_store *store, struct index *index, size_t position, bool force,
			image_used_fn *used, void *userdata, struct strv *told, struct cor_error *err)
{
	struct index_image *image = &index->items[position];
	_free_ char *user = NULL;
	char id[DIGEST_SIZE];
	const char *name;
	bool in_use;

	if (image_id_read(store, image, id, NULL) < 0)
		memcpy(id, image->digest, sizeof(id));
	in_use = used && used(userdata, id, &user);
	if (in_use && !force)
		return cor_fail(err, COR_BUSY, EBUSY,
				"container '%s' uses the image: remove the container first, or give --force "
				"to remove the names only",
				user);
	strv_foreach (&image->names, i, name)
		tell(told, name);
	strv_release(&image->names);
	if (in_use)
		return 0;
	strv_addf(told, "deleted: %s", id);
	index_remove(index, position);
	return 0;
}

/* All manifests with the configuration of this one. */
static int remove_by_id(struct image_store *store, struct index *index, size_t position, bool force,
			image_used_fn *used, void *userdata, struct strv *told, struct cor_error *err)
{
	char id[DIGEST_SIZE], other[DIGEST_SIZE];

	if (image_id_read(store, &index->items[position], id, NULL) < 0)
		return remove_image(store, index, position, force, used, userdata, told, err);
	for (size_t i = index->count; i-- > 0;) {
		int r;

		if (image_id_read(store, &index->items[i], other, NULL) < 0 || strcmp(id, other) != 0)
			continue;
		r = remove_image(store, index, i, force, used, userdata, told, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void remove_name(struct index_image *image, const char *name, struct strv *told)
{
	struct strv kept = {0};
	const char *other;

	strv_foreach (&image->names, i, other)
		if (strcmp(other, name) != 0)
			strv_add(&kept, other);
	tell(told, name);
	strv_release(&image->names);
	image->names = kept;
}

static int remove_locked(struct image_store *store, const char *ref, bool force, image_used_fn *used,
			 void *userdata, struct strv *told, struct cor_error *err)
{
	_index_ struct index index = {0};
	const char *name = NULL;
	size_t position = 0;
	_fd_ int fd = -1;
	int r = index_lock(store, &fd, err);

	r = r ?: index_read(store, &index, err);
	r = r ?: index_find(store, &index, ref, &position, &name, err);
	if (r < 0)
		return r;
	if (name && index.items[position].names.count > 1)
		remove_name(&index.items[position], name, told);
	else if (name)
		r = remove_image(store, &index, position, force, used, userdata, told, err);
	else
		r = remove_by_id(store, &index, position, force, used, userdata, told, err);
	if (r < 0)
		return cor_context(err, r, "image '%s'", ref);
	r = index_write(store, &index, err);
	if (r == 0)
		sweep(store, &index);
	return r;
}

int image_remove(struct image_store *store, const char *ref, bool force, image_used_fn *used, void *userdata,
		 struct cor_strings *ret_removed, struct cor_error *err)
{
	_strv_ struct strv told = {0};
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_EX, &fd, err);

	r = r ?: remove_locked(store, ref, force, used, userdata, &told, err);
	if (r < 0)
		return r;
	*ret_removed = (struct cor_strings){.items = told.items, .count = told.count};
	told = (struct strv){0};
	return 0;
}
