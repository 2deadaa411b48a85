/* SPDX-License-Identifier: Apache-2.0 */
/* What a container changed: its tree, as its guest sends it, held against the image's file system. Both are walked in the same order, so that of the image only the
 * folders on the way are in memory. The guest's word counts for its own container alone. */
#pragma once

#include "base/cleanup.h"
#include "copy/entry.h"
#include "image/ext4_read.h"

#include <jansson.h>

#define CHANGES_MAX (2u << 20)

struct change {
	char kind;  /* 'A'dded, 'C'hanged, 'D'eleted */
	char *path; /* relative, as of an entry */
};

struct changes {
	struct change *items; /* in the order of their paths' bytes, once they are ended */
	size_t count;
	uint8_t *wanted; /* a bit for each entry of the walk that is in the list */
	size_t wanted_size;
};
void changes_release(struct changes *changes);

struct comparison;
/* config is the container's config.json: what was made only to be mounted on is no change. base and config are borrowed. */
struct comparison *comparison_new(struct ext4_reader *base, const json_t *config);
void comparison_free(struct comparison *comparison);
DEFINE_CLEANUP(struct comparison *, comparison_free)

/* For a walk of the container's disk with details, and without contents. COR_CORRUPT for one that is not in order. */
struct copy_sink comparison_sink(struct comparison *comparison);
int comparison_end(struct comparison *comparison, struct changes *ret, struct cor_error *err);
