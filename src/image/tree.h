/* SPDX-License-Identifier: Apache-2.0 */
/* The file system that a stack of layers makes, as a tree in memory: names and attributes; of contents only where they lie. Layers are applied to it
 * in order, by the rules of image-spec, layer.md. No path that a layer names ever reaches the host's file system: paths are resolved here. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#define TREE_NODES_MAX (2u << 20)

struct xattr {
	char *name; /* with its prefix: "security.capability" */
	void *value;
	size_t size;
};

/* A run of blocks of a file: logical, on the disk, how many. */
struct extent {
	uint64_t logical, physical;
	uint32_t count;
};

/* What several names may stand for. */
struct inode {
	mode_t mode; /* type and permissions */
	uint32_t uid, gid;
	int64_t mtime, atime; /* seconds since the epoch */
	uint32_t mtime_ns, atime_ns;
	uint32_t major, minor; /* of a device */
	uint64_t size;
	char *target; /* of a symbolic link */
	struct xattr *xattrs;
	size_t xattr_count;
	struct extent *extents;
	size_t extent_count;
	uint32_t names;  /* that stand for it */
	uint32_t number; /* both for who writes the tree: where it goes, and whether it is there */
	bool written;
};

struct node {
	struct node *parent, *children, *next, *previous, *chain;
	struct inode *inode;
	unsigned layer; /* the last one that spoke of this name */
	char name[];
};

struct tree {
	struct node *root;
	struct node **buckets; /* by parent and name */
	size_t bucket_count, node_count;
	uint64_t seed;
	/* Called when nothing names an inode with contents any more, before it is freed. May be NULL. */
	void (*forget)(void *userdata, const struct inode *inode);
	void *userdata;
};

void tree_init(struct tree *tree);
void tree_release(struct tree *tree); /* does not call forget */

struct inode *inode_new(mode_t mode);
void inode_free(struct inode *inode);
/* Takes nothing: copies. A name that is there already gets the new value. */
void inode_set_xattr(struct inode *inode, const char *name, const void *value, size_t size);
DEFINE_CLEANUP(struct inode *, inode_free)

/* Puts an inode at a path (from a layer: not yet checked), in place of what was there; a directory over a directory keeps the
 * children. Missing parents are made, links on the way are followed within the tree. Takes ownership of inode, also on failure.
 * COR_CORRUPT for a path that leads out, loops or passes through a file; COR_EXHAUSTED. */
int tree_put(struct tree *tree, const char *path, struct inode *inode, unsigned layer, struct cor_error *err);
/* Another name for the file at target, which must be there and be no directory. */
int tree_link(struct tree *tree, const char *path, const char *target, unsigned layer, struct cor_error *err);
/* A whiteout: removes what lower layers put at path (the path without the ".wh." of its last part); what this layer put stays. */
int tree_remove_lower(struct tree *tree, const char *path, unsigned layer, struct cor_error *err);
/* An opaque directory: removes what lower layers put below path. */
int tree_make_opaque(struct tree *tree, const char *path, unsigned layer, struct cor_error *err);

/* The node at path, with links on the way followed but the last one not; NULL. For tests. */
struct node *tree_find(struct tree *tree, const char *path);
