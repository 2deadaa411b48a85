/* SPDX-License-Identifier: Apache-2.0 */
/* Where entries go: folders below the one that a tree is written into. */
#pragma once

#include "base/cleanup.h"
#include "copy/entry.h"

struct copy_place {
	int dir;      /* the top; borrowed */
	bool hostile; /* no link is followed, whoever made it; else as the process sees them */
	int parent;   /* of the last entry; -1 */
	char *parent_path;
};

void copy_place_init(struct copy_place *place, int dir, bool hostile);
void copy_place_release(struct copy_place *place);

/* What an entry's path leads to, below the top. A descriptor, the caller's, or -errno. */
int copy_place_open(const struct copy_place *place, const char *path, int flags);
/* The folder that holds an entry, made where it is missing. A descriptor, borrowed until the next call, or -errno: COR_CORRUPT where a link is in the way. */
int copy_place_parent(struct copy_place *place, const char *path, struct cor_error *err);
/* Takes away what has the entry's name in its parent. COR_BUSY where that is a folder. */
int copy_place_clear(int parent, const char *path, struct cor_error *err);

const char *copy_path_last(const char *path); /* its last part, in it */
int copy_place_fail(int error, const char *path, struct cor_error *err);
