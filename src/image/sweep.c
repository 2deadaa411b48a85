/* SPDX-License-Identifier: Apache-2.0 */
/* What a pull or a load is about to publish lies in its workspace and has links of its own there; so nothing here can take it away, and a blob goes only when the store's lock keeps out all
 * who could give it a name just now. */
#include "image/sweep.h"

#include "base/clock.h"
#include "base/str.h"
#include "image/children.h"
#include "image/rootfs.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

/* ---- what is needed ---- */

static void need_disk(const struct image_store *store, const struct image_child *child, struct needed *needed)
{
	_image_config_ struct image_config config = {0};
	_json_ json_t *document = NULL;
	char disk[ROOTFS_NAME_SIZE];

	if (store_read_json(store, child->manifest.config.digest, IMAGE_CONFIG_SIZE_MAX, &document, NULL) <
		    0 ||
	    image_config_parse(document, &config, NULL) < 0) {
		needed->all_disks = true;
		return;
	}
	rootfs_name(&config, disk);
	strv_add(&needed->disks, disk);
}

static void need_child(const struct image_store *store, const struct image_child *child, bool alone,
		       struct needed *needed)
{
	const struct manifest *manifest = &child->manifest;

	if (child->state == CHILD_ABSENT && !alone)
		return;
	if (child->state == CHILD_ABSENT || child->state == CHILD_DAMAGED) {
		needed->all_blobs = needed->all_disks = true;
		return;
	}
	strv_add(&needed->blobs, digest_hex(child->digest));
	strv_add(&needed->blobs, digest_hex(manifest->config.digest));
	for (size_t i = 0; i < manifest->layer_count; i++)
		strv_add(&needed->blobs, digest_hex(manifest->layers[i].digest));
	if (child->is_image)
		need_disk(store, child, needed);
}

static void need_image(const struct image_store *store, const struct index_image *image,
		       struct needed *needed)
{
	_image_children_ struct image_children children = {0};
	const char *digest;

	if (image_children_read(store, image, &children, NULL) < 0) {
		needed->all_blobs = needed->all_disks = true;
		return;
	}
	strv_foreach (&children.documents, i, digest)
		strv_add(&needed->blobs, digest_hex(digest));
	for (size_t i = 0; i < children.count; i++)
		need_child(store, &children.items[i], !children.is_index, needed);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct strv *v)
{
	if (v->count)
		qsort(v->items, v->count, sizeof(*v->items), by_text);
}

static bool is_among(const struct strv *v, const char *text)
{
	return v->count && bsearch(&text, v->items, v->count, sizeof(*v->items), by_text);
}

void needed_collect(const struct image_store *store, const struct index *index, struct needed *ret)
{
	struct needed needed = {0};

	for (size_t i = 0; i < index->count; i++)
		need_image(store, &index->items[i], &needed);
	sort(&needed.blobs);
	sort(&needed.disks);
	*ret = needed;
}

void needed_release(struct needed *needed)
{
	strv_release(&needed->blobs);
	strv_release(&needed->disks);
}

bool needs_blob(const struct needed *needed, const char *file)
{
	return needed->all_blobs || is_among(&needed->blobs, file);
}

bool needs_disk(const struct needed *needed, const char *file)
{
	return needed->all_disks || is_among(&needed->disks, file);
}

/* ---- removing ---- */

void sweep_each_file(int dir, sweep_visit_fn *visit, void *userdata)
{
	_dir_ DIR *d = dir_list(dir, ".");
	const struct dirent *entry;

	while ((entry = dir_next(d)))
		if (dir_entry_type(dir, entry) == DT_REG)
			visit(userdata, entry->d_name);
}

struct sweep {
	const struct image_store *store;
	const struct needed *needed;
	image_used_fn *used;
	void *userdata;
	int64_t oldest_s; /* parts written to since then stay */
	uint64_t freed;
};

static void visit_blob(void *userdata, const char *file)
{
	struct sweep *sweep = userdata;

	if (!needs_blob(sweep->needed, file))
		sweep->freed += store_remove_file(sweep->store->blobs, file);
}

static void visit_disk(void *userdata, const char *file)
{
	struct sweep *sweep = userdata;

	_free_ char *user = NULL;

	if (!needs_disk(sweep->needed, file) && !(sweep->used && sweep->used(sweep->userdata, file, &user)))
		sweep->freed += store_remove_file(sweep->store->rootfs, file);
}

uint64_t sweep_unneeded(const struct image_store *store, const struct index *index, image_used_fn *used,
			void *userdata)
{
	_needed_ struct needed needed = {0};
	struct sweep sweep = {.store = store, .needed = &needed, .used = used, .userdata = userdata};

	needed_collect(store, index, &needed);
	sweep_each_file(store->blobs, visit_blob, &sweep);
	sweep_each_file(store->rootfs, visit_disk, &sweep);
	return sweep.freed + store_sweep_tmp(store);
}

/* Whoever fetches it holds its lock; whoever waits for that lock looks whether the name still means the same file. */
static void visit_part(void *userdata, const char *file)
{
	struct sweep *sweep = userdata;
	int dir = sweep->store->partial;
	_fd_ int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_mtim.tv_sec <= sweep->oldest_s &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0 && store_is_named(dir, file, fd))
		sweep->freed += store_remove_file(dir, file);
}

uint64_t sweep_parts(const struct image_store *store, int64_t age_s)
{
	struct sweep sweep = {.store = store, .oldest_s = clock_realtime_ns() / INT64_C(1000000000) - age_s};

	sweep_each_file(store->partial, visit_part, &sweep);
	return sweep.freed;
}
