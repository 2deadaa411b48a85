/* SPDX-License-Identifier: Apache-2.0 */
/* What tree.c and tree_names.c share. */
#pragma once

#include "image/tree.h"

/* The child of that name (`size` bytes of it); NULL. */
struct node *node_find(struct tree *tree, const struct node *parent, const char *name, size_t size);
/* Takes over one name of the inode. ret may be NULL. COR_EXHAUSTED. */
int node_add(struct tree *tree, struct node *parent, const char *name, size_t size, struct inode *inode,
	     unsigned layer, struct node **ret, struct cor_error *err);
/* Removes the nodes at (with top_too) and below top whose layer is lower than `layer`; a directory that keeps children stays. */
void node_prune(struct tree *tree, struct node *top, unsigned layer, bool top_too);
/* One name less stands for it. */
void inode_unref(struct tree *tree, struct inode *inode);
