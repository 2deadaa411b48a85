/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a tree, with one hash table for all of them, so that a directory of any size is searched in constant time; and the inodes that they stand for. */
#include "image/tree_internal.h"

#include "base/str.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>

struct inode *inode_new(mode_t mode)
{
	struct inode *inode = xcalloc(1, sizeof(*inode));

	inode->mode = mode;
	return inode;
}

void inode_free(struct inode *inode)
{
	if (!inode)
		return;
	for (size_t i = 0; i < inode->xattr_count; i++) {
		free(inode->xattrs[i].name);
		free(inode->xattrs[i].value);
	}
	free(inode->xattrs);
	free(inode->extents);
	free(inode->target);
	free(inode);
}

void inode_set_xattr(struct inode *inode, const char *name, const void *value, size_t size)
{
	for (size_t i = 0; i < inode->xattr_count; i++) {
		struct xattr *x = &inode->xattrs[i];

		if (strcmp(x->name, name) == 0) {
			free(x->value);
			x->value = xmemdup(value, size);
			x->size = size;
			return;
		}
	}
	inode->xattrs = xreallocarray(inode->xattrs, inode->xattr_count + 1, sizeof(*inode->xattrs));
	inode->xattrs[inode->xattr_count++] =
		(struct xattr){.name = xstrdup(name), .value = xmemdup(value, size), .size = size};
}

/* Seeded, so that nobody can write a layer whose names all fall into one bucket. */
static size_t hash_name(const struct tree *tree, const struct node *parent, const char *name, size_t size)
{
	uint64_t h = tree->seed ^ (uint64_t)(uintptr_t)parent * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = 0; i < size; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ (h >> 29));
}

static struct node **bucket(struct tree *tree, const struct node *parent, const char *name, size_t size)
{
	return &tree->buckets[hash_name(tree, parent, name, size) & (tree->bucket_count - 1)];
}

void inode_unref(struct tree *tree, struct inode *inode)
{
	if (--inode->names > 0)
		return;
	if (tree->forget)
		tree->forget(tree->userdata, inode);
	inode_free(inode);
}

void tree_init(struct tree *tree)
{
	struct inode *inode = inode_new(S_IFDIR | 0755);

	*tree = (struct tree){.bucket_count = 1024};
	if (getrandom(&tree->seed, sizeof(tree->seed), GRND_NONBLOCK) < 0)
		tree->seed = (uint64_t)(uintptr_t)inode;
	tree->buckets = xcalloc(tree->bucket_count, sizeof(*tree->buckets));
	tree->root = xcalloc(1, sizeof(*tree->root) + 1);
	tree->root->parent = tree->root;
	tree->root->inode = inode;
	inode->names = 1;
}

void tree_release(struct tree *tree)
{
	tree->forget = NULL;
	for (size_t i = 0; i < tree->bucket_count; i++) {
		for (struct node *n = tree->buckets[i], *chain; n; n = chain) {
			chain = n->chain;
			inode_unref(tree, n->inode);
			free(n);
		}
	}
	if (tree->root)
		inode_unref(tree, tree->root->inode);
	free(tree->root);
	free(tree->buckets);
	*tree = (struct tree){0};
}

struct node *node_find(struct tree *tree, const struct node *parent, const char *name, size_t size)
{
	for (struct node *n = *bucket(tree, parent, name, size); n; n = n->chain)
		if (n->parent == parent && strncmp(n->name, name, size) == 0 && !n->name[size])
			return n;
	return NULL;
}

static void grow(struct tree *tree)
{
	struct node **old = tree->buckets;
	size_t count = tree->bucket_count;

	tree->bucket_count = count * 2;
	tree->buckets = xcalloc(tree->bucket_count, sizeof(*tree->buckets));
	for (size_t i = 0; i < count; i++) {
		for (struct node *n = old[i], *chain; n; n = chain) {
			struct node **slot = bucket(tree, n->parent, n->name, strlen(n->name));

			chain = n->chain;
			n->chain = *slot;
			*slot = n;
		}
	}
	free(old);
}

int node_add(struct tree *tree, struct node *parent, const char *name, size_t size, struct inode *inode,
	     unsigned layer, struct node **ret, struct cor_error *err)
{
	struct node *node, **slot;

	if (tree->node_count >= TREE_NODES_MAX)
		return cor_fail(err, COR_EXHAUSTED, EFBIG, "the image has more than %u files",
				TREE_NODES_MAX);
	if (tree->node_count >= tree->bucket_count)
		grow(tree);
	node = xcalloc(1, sizeof(*node) + size + 1);
	memcpy(node->name, name, size);
	node->parent = parent;
	node->inode = inode;
	node->layer = layer;
	node->next = parent->children;
	if (node->next)
		node->next->previous = node;
	parent->children = node;
	slot = bucket(tree, parent, name, size);
	node->chain = *slot;
	*slot = node;
	tree->node_count++;
	inode->names++;
	if (ret)
		*ret = node;
	return 0;
}

static void unlink_node(struct tree *tree, struct node *node)
{
	struct node **slot = bucket(tree, node->parent, node->name, strlen(node->name));

	while (*slot != node)
		slot = &(*slot)->chain;
	*slot = node->chain;
	if (node->previous)
		node->previous->next = node->next;
	else
		node->parent->children = node->next;
	if (node->next)
		node->next->previous = node->previous;
	tree->node_count--;
	inode_unref(tree, node->inode);
	free(node);
}

/* Without recursion: a hostile tree may be deep. */
void node_prune(struct tree *tree, struct node *top, unsigned layer, bool top_too)
{
	struct node *node = top;

	for (;;) {
		struct node *following;

		while (node->children)
			node = node->children;
		for (;;) {
			bool last = node == top;
			struct node *parent = node->parent;

			following = node->next;
			if ((!last || top_too) && !node->children && node->layer < layer)
				unlink_node(tree, node);
			if (last)
				return;
			if (following)
				break;
			node = parent;
		}
		node = following;
	}
}
