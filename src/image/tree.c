/* SPDX-License-Identifier: Apache-2.0 */
/* Layers applied to a tree. A path is walked part by part: a
 * link on the way puts its target in front of the rest, ".." in a link's target stops at the root, as chroot would have it; ".." in the path
 * of an entry is refused, because no tool writes it but to attack. Whiteouts spare what their own layer has put, in whatever order the entries come. */
#include "image/tree.h"

#include "base/str.h"
#include "image/tree_internal.h"

#include <errno.h>
#include <sys/stat.h>

#define LINKS_MAX      40 /* as the kernel */
#define NAME_BYTES_MAX 255
#define PATH_BYTES_MAX 4096
#define NAMES_MAX      65000 /* of one file: what ext4 counts */

static int bad_path(struct cor_error *err, int errnum, const char *path, const char *why)
{
	return cor_fail(err, COR_CORRUPT, errnum, "layer entry '%.200s': %s", path, why);
}

static bool is_dots(const char *name, size_t size)
{
	return (size == 1 && name[0] == '.') || (size == 2 && name[0] == '.' && name[1] == '.');
}

/* Entries say "./a/b/", "a/b" or "/a/b": the same. *ret_last is its last part without slashes, empty for the root. */
static int split_path(const char *path, char **ret_parents, char **ret_last, struct cor_error *err)
{
	_strv_ struct strv parts = {0};
	_free_ char *last = NULL;

	if (strlen(path) > PATH_BYTES_MAX)
		return bad_path(err, ENAMETOOLONG, path, "the path is too long");
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n > NAME_BYTES_MAX)
			return bad_path(err, ENAMETOOLONG, path, "a name is longer than 255 bytes");
		if (n == 2 && is_dots(p, n))
			return bad_path(err, EINVAL, path, "the path contains '..'");
		if (n && !is_dots(p, n))
			strv_take(&parts, xstrndup(p, n));
		p += n + (p[n] == '/');
	}
	if (parts.count) {
		last = parts.items[--parts.count];
		parts.items[parts.count] = NULL;
	} else {
		last = xstrdup("");
	}
	*ret_parents = strv_join(&parts, "/");
	*ret_last = steal_ptr(last);
	return 0;
}

static int make_directory(struct tree *tree, struct node *parent, const char *name, size_t size,
			  unsigned layer, struct node **ret, struct cor_error *err)
{
	struct inode *inode = inode_new(S_IFDIR | 0755);
	int r = node_add(tree, parent, name, size, inode, layer, ret, err);

	if (r < 0)
		inode_free(inode);
	return r;
}

/* Puts a link's target before the rest of the path; *path is replaced. */
static int follow(struct node **dir, struct tree *tree, const struct node *link, char **path,
		  const char *rest, const char *whole, struct cor_error *err)
{
	const char *target = link->inode->target;
	char *joined;

	if (strlen(target) + strlen(rest) > 4 * PATH_BYTES_MAX)
		return bad_path(err, ENAMETOOLONG, whole, "links on the way make the path too long");
	joined = str_format("%s/%s", target, rest);
	if (target[0] == '/')
		*dir = tree->root;
	free(*path);
	*path = joined;
	return 0;
}

/* The directory that `parents` leads to. With make, missing ones are made and belong to `layer`. -ENOENT without an error text when one is
 * missing, or is no directory, and make is false. */
static int walk(struct tree *tree, const char *parents, const char *whole, bool make, unsigned layer,
		struct node **ret, struct cor_error *err)
{
	_free_ char *path = xstrdup(parents);
	struct node *dir = tree->root;
	unsigned links = 0;

	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		const char *rest = p + n + (p[n] == '/');
		struct node *child;
		int r;

		if (n == 0 || is_dots(p, n)) {
			if (n == 2)
				dir = dir->parent;
			p = rest;
			continue;
		}
		if (n > NAME_BYTES_MAX)
			return bad_path(err, ENAMETOOLONG, whole,
					"a link on the way has a name longer than 255 bytes");
		child = node_find(tree, dir, p, n);
		if (!child) {
			if (!make)
				return -ENOENT;
			r = make_directory(tree, dir, p, n, layer, &child, err);
			if (r < 0)
				return r;
		}
		if (S_ISLNK(child->inode->mode)) {
			if (++links > LINKS_MAX)
				return bad_path(err, ELOOP, whole, "links on the way lead in a circle");
			r = follow(&dir, tree, child, &path, rest, whole, err);
			if (r < 0)
				return r;
			p = path;
			continue;
		}
		if (!S_ISDIR(child->inode->mode) && !make)
			return -ENOENT;
		if (!S_ISDIR(child->inode->mode))
			return bad_path(err, ENOTDIR, whole, "a part of its path is not a directory");
		dir = child;
		p = rest;
	}
	*ret = dir;
	return 0;
}

static void adopt_directory(struct node *node, struct inode *inode, unsigned layer)
{
	struct inode *old = node->inode;

	inode->names = old->names;
	node->inode = inode;
	node->layer = layer;
	inode_free(old);
}

/* Clears the place for a new name: *ret is the directory it goes to, *ret_last the name. */
static int prepare(struct tree *tree, const char *path, unsigned layer, struct node **ret, char **ret_last,
		   struct cor_error *err)
{
	_free_ char *parents = NULL, *last = NULL;
	int r = split_path(path, &parents, &last, err);

	if (r < 0)
		return r;
	r = walk(tree, parents, path, true, layer, ret, err);
	if (r < 0)
		return r;
	*ret_last = steal_ptr(last);
	return 0;
}

int tree_put(struct tree *tree, const char *path, struct inode *taken, unsigned layer, struct cor_error *err)
{
	_cleanup_(inode_freep) struct inode *inode = taken;
	_free_ char *last = NULL;
	struct node *dir, *old;
	int r = prepare(tree, path, layer, &dir, &last, err);

	if (r < 0)
		return r;
	if (!*last) {
		if (!S_ISDIR(inode->mode))
			return bad_path(err, ENOTDIR, path, "the root is not a directory");
		adopt_directory(tree->root, steal_ptr(inode), layer);
		return 0;
	}
	old = node_find(tree, dir, last, strlen(last));
	if (old && S_ISDIR(old->inode->mode) && S_ISDIR(inode->mode)) {
		adopt_directory(old, steal_ptr(inode), layer);
		return 0;
	}
	if (old)
		node_prune(tree, old, layer + 1, true);
	r = node_add(tree, dir, last, strlen(last), inode, layer, NULL, err);
	if (r == 0)
		steal_ptr(inode);
	return r;
}

int tree_link(struct tree *tree, const char *path, const char *target, unsigned layer, struct cor_error *err)
{
	_free_ char *parents = NULL, *target_last = NULL, *last = NULL;
	struct node *dir, *from, *old;
	int r = split_path(target, &parents, &target_last, err);

	if (r == 0)
		r = walk(tree, parents, target, false, layer, &dir, err);
	if (r < 0 && r != -ENOENT)
		return r;
	from = r == 0 ? node_find(tree, dir, target_last, strlen(target_last)) : NULL;
	if (!from)
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"layer entry '%.200s': a hard link to '%.200s', which does not exist", path,
				target);
	if (S_ISDIR(from->inode->mode))
		return bad_path(err, EISDIR, path, "a hard link to a directory");
	if (from->inode->names >= NAMES_MAX)
		return bad_path(err, EMLINK, path, "the file has too many names");
	r = prepare(tree, path, layer, &dir, &last, err);
	if (r < 0)
		return r;
	if (!*last)
		return bad_path(err, EISDIR, path, "the root is not a directory");
	old = node_find(tree, dir, last, strlen(last));
	if (old == from) {
		old->layer = layer;
		return 0;
	}
	/* What is pruned may hold the other name, but the inode must live on. */
	struct inode *inode = from->inode;

	inode->names++;
	if (old)
		node_prune(tree, old, layer + 1, true);
	r = node_add(tree, dir, last, strlen(last), inode, layer, NULL, err);
	inode_unref(tree, inode);
	return r;
}

int tree_remove_lower(struct tree *tree, const char *path, unsigned layer, struct cor_error *err)
{
	struct node *dir = NULL, *node;
	_free_ char *parents = NULL, *last = NULL;
	int r = split_path(path, &parents, &last, err);

	if (r < 0)
		return r;
	if (!*last)
		return bad_path(err, EINVAL, path, "a whiteout of the root");
	r = walk(tree, parents, path, false, layer, &dir, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	node = node_find(tree, dir, last, strlen(last));
	if (node)
		node_prune(tree, node, layer, true);
	return 0;
}

int tree_make_opaque(struct tree *tree, const char *path, unsigned layer, struct cor_error *err)
{
	_free_ char *parents = NULL, *last = NULL, *whole = NULL;
	struct node *dir;
	int r = split_path(path, &parents, &last, err);

	if (r < 0)
		return r;
	whole = str_format("%s/%s", parents, last);
	r = walk(tree, whole, path, false, layer, &dir, err);
	if (r == 0)
		node_prune(tree, dir, layer, false);
	return r == -ENOENT ? 0 : r;
}

struct node *tree_find(struct tree *tree, const char *path)
{
	_free_ char *parents = NULL, *last = NULL;
	struct node *dir;

	if (split_path(path, &parents, &last, NULL) < 0 ||
	    walk(tree, parents, path, false, 0, &dir, NULL) < 0)
		return NULL;
	return *last ? node_find(tree, dir, last, strlen(last)) : dir;
}
