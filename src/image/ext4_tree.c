/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes and directories of an ext4 file system, written once, when the tree is final: numbers in the order of a walk, so that what is
 * near in the tree is near on the disk; directories as full blocks. Large directories get no hash tree: the kernel reads them as they are. */
#include "image/ext4_internal.h"

#include "base/str.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <ext2fs/ext3_extents.h>
#pragma GCC diagnostic pop

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LINKS_MAX      65000u
#define INLINE_EXTENTS 4u /* that fit into an inode */
#define FAST_LINK_MAX  59u

/* The node after this one in a walk that meets directories before what is in them. NULL at the end. */
static struct node *next_node(const struct tree *tree, struct node *node)
{
	if (node->children)
		return node->children;
	while (node != tree->root && !node->next)
		node = node->parent;
	return node == tree->root ? NULL : node->next;
}

static int number_inodes(struct ext4 *disk, struct tree *tree, struct cor_error *err)
{
	ext2_ino_t number = EXT2_FIRST_INODE(disk->fs->super);

	tree->root->inode->number = EXT2_ROOT_INO;
	for (struct node *n = tree->root; n; n = next_node(tree, n)) {
		if (n->inode->number)
			continue;
		if (number > disk->fs->super->s_inodes_count)
			return cor_fail(err, COR_EXHAUSTED, ENOSPC,
					"the image has too many files for its disk");
		/* The journal took its own from the reserved ones; nothing else is in use. */
		n->inode->number = number;
		ext2fs_inode_alloc_stats2(disk->fs, number++, +1, S_ISDIR(n->inode->mode));
	}
	return 0;
}

static uint8_t directory_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG_FILE;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	default:
		return EXT2_FT_FIFO;
	}
}

/* Entries fill block after block; the last of each block reaches to its end. */
struct directory {
	uint8_t *data;
	size_t size; /* whole blocks */
	size_t used; /* within the last */
	size_t last; /* offset of the last entry */
};

static void put_u16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *p, uint32_t value)
{
	put_u16(p, value);
	put_u16(p + 2, value >> 16);
}

static void add_entry(struct directory *d, const char *name, uint32_t number, mode_t mode)
{
	size_t length = strlen(name), need = (8 + length + 3) & ~(size_t)3;
	uint8_t *entry;

	if (d->size == 0 || d->used + need > EXT4_BLOCK) {
		d->data = xreallocarray(d->data, d->size / EXT4_BLOCK + 1, EXT4_BLOCK);
		memset(d->data + d->size, 0, EXT4_BLOCK);
		d->size += EXT4_BLOCK;
		d->used = 0;
	} else {
		put_u16(d->data + d->last + 4, (uint32_t)(d->size - EXT4_BLOCK + d->used - d->last));
	}
	d->last = d->size - EXT4_BLOCK + d->used;
	entry = d->data + d->last;
	put_u32(entry, number);
	put_u16(entry + 4, (uint32_t)(EXT4_BLOCK - d->used));
	entry[6] = (uint8_t)length;
	entry[7] = directory_type(mode);
	memcpy(entry + 8, name, length);
	d->used += need;
}

static int write_directory(struct ext4 *disk, struct node *node, uint32_t *ret_links, struct cor_error *err)
{
	struct directory d = {0};
	struct inode *inode = node->inode;
	uint32_t links = 2;
	int r;

	add_entry(&d, ".", inode->number, S_IFDIR);
	add_entry(&d, "..", node->parent->inode->number, S_IFDIR);
	for (const struct node *child = node->children; child; child = child->next) {
		add_entry(&d, child->name, child->inode->number, child->inode->mode);
		links += S_ISDIR(child->inode->mode);
	}
	inode->size = d.size;
	r = ext4_write_blocks(disk, inode, 0, d.data, (uint32_t)(d.size / EXT4_BLOCK), err);
	free(d.data);
	*ret_links = links < LINKS_MAX ? links : 1; /* 1: too many to count (dir_nlink) */
	return r;
}

/* Seconds beyond 32 bits go into two bits beside the nanoseconds. */
static void put_time(uint32_t *seconds, uint32_t *extra, int64_t s, uint32_t ns)
{
	int64_t lowest = INT32_MIN, highest = lowest + (INT64_C(1) << 34) - 1;

	s = s < lowest ? lowest : s > highest ? highest : s;
	*seconds = (uint32_t)s;
	*extra = (uint32_t)((s - (int32_t)(uint32_t)s) >> 32 & 3) | (ns % 1000000000) << 2;
}

static struct ext2_inode_large make_inode(const struct inode *inode, uint32_t links)
{
	struct ext2_inode_large raw = {
		.i_mode = (uint16_t)inode->mode,
		.i_links_count = (uint16_t)links,
		.i_extra_isize = sizeof(raw) - EXT2_GOOD_OLD_INODE_SIZE,
	};

	raw.i_uid = (uint16_t)inode->uid;
	raw.osd2.linux2.l_i_uid_high = (uint16_t)(inode->uid >> 16);
	raw.i_gid = (uint16_t)inode->gid;
	raw.osd2.linux2.l_i_gid_high = (uint16_t)(inode->gid >> 16);
	put_time(&raw.i_mtime, &raw.i_mtime_extra, inode->mtime, inode->mtime_ns);
	put_time(&raw.i_atime, &raw.i_atime_extra, inode->atime, inode->atime_ns);
	put_time(&raw.i_ctime, &raw.i_ctime_extra, inode->mtime, inode->mtime_ns);
	put_time(&raw.i_crtime, &raw.i_crtime_extra, inode->mtime, inode->mtime_ns);
	raw.i_size = (uint32_t)inode->size;
	raw.i_size_high = (uint32_t)(inode->size >> 32);
	return raw;
}

static void put_few_extents(struct ext2_inode_large *raw, const struct inode *inode)
{
	uint8_t *p = (uint8_t *)raw->i_block;

	put_u16(p, EXT3_EXT_MAGIC);
	put_u16(p + 2, (uint32_t)inode->extent_count);
	put_u16(p + 4, INLINE_EXTENTS);
	for (size_t i = 0; i < inode->extent_count; i++) {
		p += 12;
		put_u32(p, (uint32_t)inode->extents[i].logical);
		put_u16(p + 4, inode->extents[i].count);
		put_u32(p + 8, (uint32_t)inode->extents[i].physical);
	}
}

static int put_many_extents(struct ext4 *disk, struct ext2_inode_large *raw, const struct inode *inode,
			    struct cor_error *err)
{
	ext2_extent_handle_t handle;
	errcode_t e = ext2fs_extent_open2(disk->fs, inode->number, (struct ext2_inode *)raw, &handle);

	if (e)
		return ext4_fail(err, e, "write the map of a file");
	for (size_t i = 0; !e && i < inode->extent_count; i++) {
		struct ext2fs_extent extent = {
			.e_lblk = inode->extents[i].logical,
			.e_pblk = inode->extents[i].physical,
			.e_len = inode->extents[i].count,
		};

		e = ext2fs_extent_insert(handle, EXT2_EXTENT_INSERT_AFTER, &extent);
	}
	ext2fs_extent_free(handle);
	return e ? ext4_fail(err, e, "write the map of a file") : 0;
}

static int put_extents(struct ext4 *disk, struct ext2_inode_large *raw, const struct inode *inode,
		       struct cor_error *err)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < inode->extent_count; i++)
		blocks += inode->extents[i].count;
	raw->i_flags |= EXT4_EXTENTS_FL;
	ext2fs_iblk_set(disk->fs, (struct ext2_inode *)raw, blocks);
	if (inode->extent_count > INLINE_EXTENTS)
		return put_many_extents(disk, raw, inode, err);
	put_few_extents(raw, inode);
	return 0;
}

static int put_link(struct ext4 *disk, struct ext2_inode_large *raw, struct inode *inode,
		    struct cor_error *err)
{
	size_t size = strlen(inode->target);
	uint8_t block[EXT4_BLOCK] = {0};
	int r;

	raw->i_size = (uint32_t)size;
	if (size <= FAST_LINK_MAX) {
		memcpy(raw->i_block, inode->target, size);
		return 0;
	}
	memcpy(block, inode->target, size);
	r = ext4_write_blocks(disk, inode, 0, block, 1, err);
	return r < 0 ? r : put_extents(disk, raw, inode, err);
}

static void put_device(struct ext2_inode_large *raw, const struct inode *inode)
{
	if (inode->major < 256 && inode->minor < 256)
		raw->i_block[0] = inode->major << 8 | inode->minor;
	else
		raw->i_block[1] = (inode->minor & 0xff) | inode->major << 8 | (inode->minor & ~0xffu) << 12;
}

static int write_xattrs(struct ext4 *disk, const struct node *node, struct cor_error *err)
{
	const struct inode *inode = node->inode;
	struct ext2_xattr_handle *handle;
	errcode_t e = ext2fs_xattrs_open(disk->fs, inode->number, &handle);

	if (e)
		return ext4_fail(err, e, "write extended attributes");
	for (size_t i = 0; !e && i < inode->xattr_count; i++)
		e = ext2fs_xattr_set(handle, inode->xattrs[i].name, inode->xattrs[i].value,
				     inode->xattrs[i].size);
	ext2fs_xattrs_close(&handle);
	if (e == EXT2_ET_EA_NO_SPACE)
		return cor_fail(err, COR_UNSUPPORTED, E2BIG,
				"'%.200s' has more extended attributes than a file can hold", node->name);
	return e ? ext4_fail(err, e, "write extended attributes") : 0;
}

static int write_inode(struct ext4 *disk, struct node *node, struct cor_error *err)
{
	struct inode *inode = node->inode;
	struct ext2_inode_large raw;
	uint32_t links = inode->names;
	errcode_t e;
	int r = 0;

	if (S_ISDIR(inode->mode)) {
		r = write_directory(disk, node, &links, err);
		if (r < 0)
			return r;
	}
	raw = make_inode(inode, links);
	if (S_ISDIR(inode->mode) || S_ISREG(inode->mode))
		r = put_extents(disk, &raw, inode, err);
	else if (S_ISLNK(inode->mode))
		r = put_link(disk, &raw, inode, err);
	else
		put_device(&raw, inode);
	if (r < 0)
		return r;
	e = ext2fs_write_inode_full(disk->fs, inode->number, (struct ext2_inode *)&raw, sizeof(raw));
	if (e)
		return ext4_fail(err, e, "write an inode");
	inode->written = true;
	return inode->xattr_count ? write_xattrs(disk, node, err) : 0;
}

int ext4_write_tree(struct ext4 *disk, struct tree *tree, struct cor_error *err)
{
	errcode_t e;
	int r = number_inodes(disk, tree, err);

	if (r < 0)
		return r;
	for (struct node *n = tree->root; n; n = next_node(tree, n)) {
		if (n->inode->written)
			continue;
		r = write_inode(disk, n, err);
		if (r < 0)
			return r;
	}
	e = ext2fs_set_gdt_csum(disk->fs);
	if (!e) {
		ext2fs_mark_super_dirty(disk->fs);
		e = ext2fs_close_free(&disk->fs);
	}
	return e ? ext4_fail(err, e, "complete the file system") : 0;
}
