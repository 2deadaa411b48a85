/* SPDX-License-Identifier: Apache-2.0 */
/* `system check` of the store. Blobs are hashed without a lock, since what is in blobs/ never changes; whatever takes long hinders nobody. Then the store's lock is taken, to look at what must fit
 * together, or to repair it. What killed commands left behind is no damage: nothing leads to it, and every command that meets it removes it; a repair does so at once. */
#include "base/str.h"
#include "image/children.h"
#include "image/rootfs.h"
#include "image/sweep.h"
#include "oci/hash.h"
#include "oci/reference.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

#define PIECE_SIZE (1u << 18)

struct check {
	struct image_store *store;
	bool repair;
	image_used_fn *used;
	void *userdata;
	json_t *problems;
	struct strv damaged; /* files in blobs/ */
	struct needed needed;
};

static void check_release(struct check *check)
{
	strv_release(&check->damaged);
	needed_release(&check->needed);
}

static void tell(struct check *check, const char *what, bool repaired, const char *problem)
{
	json_array_append_new(check->problems, json_pack("{s:s, s:s, s:b}", "What", what, "Problem", problem,
							 "Repaired", repaired));
}

/* ---- blobs: no lock is held ---- */

/* -errno where it cannot be read. */
static int hash_file(int fd, char out[DIGEST_SIZE])
{
	_free_ uint8_t *piece = xmalloc(PIECE_SIZE);
	_hash_ struct hash hash;
	ssize_t n;

	hash_init(&hash);
	while ((n = read(fd, piece, PIECE_SIZE)) > 0)
		hash_update(&hash, piece, (size_t)n);
	hash_finish(&hash, out);
	return n < 0 ? -errno : 0;
}

static void visit_blob(void *userdata, const char *file)
{
	struct check *check = userdata;
	_free_ char *digest = str_format("sha256:%s", file);
	_fd_ int fd = openat(check->store->blobs, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char found[DIGEST_SIZE];
	int r;

	if (fd < 0 && errno == ENOENT)
		return;
	r = fd < 0 ? -errno : hash_file(fd, found);
	if (r < 0)
		tell(check, digest, false, strerror(-r));
	else if (!digest_valid(digest) || strcmp(found, digest) != 0)
		strv_add(&check->damaged, file);
}

/* ---- with the store's lock ---- */

/* It may have been replaced by a good one since. */
static bool is_damaged_still(const struct check *check, const char *file)
{
	_free_ char *digest = str_format("sha256:%s", file);
	_fd_ int fd = openat(check->store->blobs, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char found[DIGEST_SIZE];

	return fd >= 0 && hash_file(fd, found) == 0 && strcmp(found, digest) != 0;
}

static void settle_damaged(struct check *check)
{
	const char *file;

	strv_foreach (&check->damaged, i, file) {
		_free_ char *digest = str_format("sha256:%s", file);
		bool repaired;

		if (!is_damaged_still(check, file))
			continue;
		repaired = check->repair && unlinkat(check->store->blobs, file, 0) == 0;
		tell(check, digest, repaired, "it is damaged: its content has another digest");
	}
}

static char *title(const struct index_image *image)
{
	return image->names.count ? reference_familiar(image->names.items[0]) : xstrdup(image->digest);
}

static void check_child(struct check *check, const struct index_image *image, const struct image_child *child)
{
	const struct manifest *manifest = &child->manifest;
	_free_ char *name = title(image);

	for (size_t i = 0; i <= manifest->layer_count; i++) {
		const struct descriptor *d = i ? &manifest->layers[i - 1] : &manifest->config;
		_free_ char *problem = str_format("%s is missing: pull or load the image again", d->digest);

		if (!store_has_blob(check->store, d->digest, d->size))
			tell(check, name, false, problem);
	}
}

static bool is_there(const struct check *check, const char *digest)
{
	return faccessat(check->store->blobs, digest_hex(digest), F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

enum found { FOUND, LOST, UNREADABLE };

/* A disk that has a bad moment is no reason to forget an image: only what is not there, or was removed because its digest was wrong, is lost. */
static enum found check_image(struct check *check, const struct index_image *image)
{
	_image_children_ struct image_children children = {0};
	size_t here = 0, there = 0;

	if (image_children_read(check->store, image, &children, NULL) < 0)
		return is_there(check, image->digest) ? UNREADABLE : LOST;
	for (size_t i = 0; i < children.count; i++) {
		const struct image_child *child = &children.items[i];

		/* Of a damaged one its file has been told. */
		here += child->state == CHILD_COMPLETE || child->state == CHILD_INCOMPLETE;
		there += child->state == CHILD_DAMAGED ||
			 (!children.is_index && is_there(check, child->digest));
		if (child->state == CHILD_INCOMPLETE)
			check_child(check, image, child);
	}
	return here ? FOUND : there ? UNREADABLE : LOST;
}

static int check_images(struct check *check, struct index *index, struct cor_error *err)
{
	_fd_ int fd = -1;
	bool changed = false;
	int r = check->repair ? index_lock(check->store, &fd, err) : 0;

	r = r ?: index_read(check->store, index, err);
	for (size_t i = index->count; r == 0 && i-- > 0;) {
		_free_ char *name = title(&index->items[i]);
		enum found found = check_image(check, &index->items[i]);
		bool goes = found == LOST && check->repair;

		if (found == FOUND)
			continue;
		tell(check, name, goes, "it leads nowhere: its manifest is missing or damaged");
		if (!goes)
			continue;
		index_remove(index, i);
		changed = true;
	}
	return r == 0 && changed ? index_write(check->store, index, err) : r;
}

/* A disk of the wrong size was not made by us, or not to its end. Another can be made of the same layers, but not below a container's overlay. */
static void visit_disk(void *userdata, const char *file)
{
	struct check *check = userdata;
	_free_ char *user = NULL, *name = str_format("rootfs/%s", file);
	struct stat st;
	bool free_to_go;

	if (fstatat(check->store->rootfs, file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint64_t)st.st_size == DISK_SIZE || !needs_disk(&check->needed, file))
		return;
	free_to_go = check->repair && !(check->used && check->used(check->userdata, file, &user));
	tell(check, name, free_to_go && unlinkat(check->store->rootfs, file, 0) == 0,
	     "it has not the size that disks have");
}

static void clean_up(struct check *check, const struct index *index)
{
	uint64_t freed = sweep_parts(check->store, 0);
	_free_ char *text = NULL;

	freed += sweep_unneeded(check->store, index, check->used, check->userdata);
	text = str_format("%" PRIu64 " bytes were left behind by commands that did not end", freed);
	if (freed)
		tell(check, "images", true, text);
}

int image_check(struct image_store *store, bool repair, image_used_fn *used, void *userdata, json_t *problems,
		struct cor_error *err)
{
	_cleanup_(check_release) struct check check = {
		.store = store, .repair = repair, .used = used, .userdata = userdata, .problems = problems};
	_index_ struct index index = {0};
	_fd_ int fd = -1;
	int r;

	store_sweep_tmp(store);
	sweep_each_file(store->blobs, visit_blob, &check);
	r = store_lock(store, repair ? LOCK_EX : LOCK_SH, &fd, err);
	if (r < 0)
		return r;
	settle_damaged(&check);
	r = check_images(&check, &index, err);
	if (r < 0)
		return r;
	needed_collect(store, &index, &check.needed);
	sweep_each_file(store->rootfs, visit_disk, &check);
	if (repair)
		clean_up(&check, &index);
	return 0;
}
