/* SPDX-License-Identifier: Apache-2.0 */
/* What an entry of index.json leads to: one manifest, or those of an index, of which some may not be here. */
#pragma once

#include "image/index.h"

enum child_state {
	CHILD_ABSENT,
	CHILD_DAMAGED,    /* the manifest is here and has not its digest, or is malformed */
	CHILD_INCOMPLETE, /* the manifest is here, and some of its blobs are not */
	CHILD_COMPLETE,   /* all of it is here, by the sizes of the files */
};

struct image_child {
	char *media_type;
	char digest[DIGEST_SIZE];
	uint64_t size;
	bool has_platform; /* that the index says */
	struct platform platform;
	enum child_state state;
	bool is_image;            /* an index may hold other things: signatures, what a build attests */
	struct manifest manifest; /* unless it is absent or damaged */
};

struct image_children {
	struct image_child *items; /* in the order of the index */
	size_t count;
	bool is_index;
	struct strv documents; /* digests of the index, and of those within that are here */
};

/* COR_CORRUPT where the index itself is missing or damaged. The store's lock is held. */
int image_children_read(const struct image_store *store, const struct index_image *image,
			struct image_children *ret, struct cor_error *err);
void image_children_release(struct image_children *children);
#define _image_children_ _cleanup_(image_children_release)

/* Which of them is meant: the one that a digest named (image->chosen), else the one for a platform. wanted NULL: the host's, and if that is not here, the first image that is.
 * COR_UNSUPPORTED: it is for other platforms. COR_NOT_FOUND: it is in the index and not here. COR_CORRUPT. */
int image_child_choose(const struct image_store *store, const struct index_image *image,
		       struct image_children *children, const struct platform *wanted,
		       struct image_child **ret, struct cor_error *err);

/* used may be NULL. */
bool image_is_used(const struct image_store *store, const struct index_image *image, image_used_fn *used,
		   void *userdata, char **ret_name);
