/* SPDX-License-Identifier: Apache-2.0 */
/* Giving names to images and taking them away. With its last name an image goes, and then everything that no other image needs: blobs, disks, and
 * what a crash left. Containers hold images by their ids, so a name may always move. */
#include "base/str.h"
#include "image/children.h"
#include "image/sweep.h"
#include "oci/reference.h"

#include <errno.h>
#include <sys/file.h>

/* ---- tag ---- */

/* One manifest of an index becomes an image of its own. */
static int add_chosen(struct image_store *store, struct index *index, struct index_image **image,
		      struct cor_error *err)
{
	_image_children_ struct image_children children = {0};
	struct image_child *child;
	int r = image_children_read(store, *image, &children, err);

	r = r ?: image_child_choose(store, *image, &children, NULL, &child, err);
	if (r == 0)
		*image = index_add(index, child->media_type, child->digest, child->size);
	return r;
}

static int set_name(struct image_store *store, const char *ref, const char *name, struct cor_error *err)
{
	_index_ struct index index = {0};
	struct index_image *image;
	const char *meant;
	size_t position;
	_fd_ int fd = -1;
	int r = index_lock(store, &fd, err);

	r = r ?: index_read(store, &index, err);
	r = r ?: index_find(store, &index, ref, &position, &meant, err);
	if (r < 0)
		return r;
	image = &index.items[position];
	if (*image->chosen)
		r = add_chosen(store, &index, &image, err);
	if (r < 0)
		return r;
	index_set_name(&index, image, name);
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

static void tell(struct strv *told, const char *name)
{
	_free_ char *familiar = reference_familiar(name);

	strv_addf(told, "untagged: %s", familiar);
}

bool image_is_used(const struct image_store *store, const struct index_image *image, image_used_fn *used,
		   void *userdata, char **ret_name)
{
	_strv_ struct strv ids = {0};
	const char *id;

	image_ids_read(store, image, &ids, NULL);
	if (!ids.count)
		strv_add(&ids, image->digest);
	strv_foreach (&ids, i, id)
		if (used && used(userdata, id, ret_name))
			return true;
	return false;
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

	*image->chosen = '\0';
	if (image_id_read(store, image, id, NULL) < 0)
		memcpy(id, image->digest, sizeof(id));
	in_use = image_is_used(store, image, used, userdata, &user);
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

/* All that have the configuration of this one. */
static int remove_by_id(struct image_store *store, struct index *index, size_t position, bool force,
			image_used_fn *used, void *userdata, struct strv *told, struct cor_error *err)
{
	char id[DIGEST_SIZE];

	if (image_id_read(store, &index->items[position], id, NULL) < 0)
		return remove_image(store, index, position, force, used, userdata, told, err);
	for (size_t i = index->count; i-- > 0;) {
		_strv_ struct strv ids = {0};
		int r;

		if (image_ids_read(store, &index->items[i], &ids, NULL) < 0 || !strv_contains(&ids, id))
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
	if (r < 0)
		return r;
	sweep_unneeded(store, &index, used, userdata);
	sweep_parts(store, PART_AGE_S);
	return 0;
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
