/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage collection: what no image needs. */
#pragma once

#include "image/index.h"

/* Names of files that are needed, sorted: blobs by their digits, disks with their ending. Where an image is damaged nobody knows what it needs: then everything is. */
struct needed {
	struct strv blobs, disks;
	bool all_blobs, all_disks;
};
void needed_collect(const struct image_store *store, const struct index *index, struct needed *ret);
void needed_release(struct needed *needed);
#define _needed_ _cleanup_(needed_release)
bool needs_blob(const struct needed *needed, const char *file);
bool needs_disk(const struct needed *needed, const char *file);

/* Removes all that is not needed (disks only if nothing uses them), and what killed commands left in tmp/; returns how many bytes of the host's disk
 * that freed. The store's lock is held exclusively, so nobody is about to give a name to what has none. */
uint64_t sweep_unneeded(const struct image_store *store, const struct index *index, image_used_fn *used,
			void *userdata);

/* Removes parts of pulls that nobody works on and that are at least so old. Needs no lock. */
#define PART_AGE_S 86400
uint64_t sweep_parts(const struct image_store *store, int64_t age_s);

/* The regular files of a folder. */
typedef void sweep_visit_fn(void *userdata, const char *file);
void sweep_each_file(int dir, sweep_visit_fn *visit, void *userdata);
