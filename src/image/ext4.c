/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of an ext4 file system: laying it out, giving blocks to contents, closing it.
 *
 * libext2fs knows the format; contents go around its cache, straight into the file. Blocks are given in rising order, so that a file
 * is nearly always one extent, and files that come together lie together. Group checksums (uninit_bg) let the kernel skip what was
 * never used, so that a large empty file system costs neither room nor time at mount; the inode tables are holes, hence zeroed. */
#include "image/ext4_internal.h"

#include "base/size.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define BUFFER_SIZE     (1u << 20)
#define SUBMIT_SIZE     (16 * MIB)
#define EXTENT_BLOCKS   32768u /* the longest initialised extent */
#define BYTES_PER_INODE 16384u
#define JOURNAL_BLOCKS  4096u /* 16 MiB */
#define HOLE_BLOCKS     16u   /* of zeros make a hole: fewer would only tear files apart */
#define FILE_BLOCKS_MAX (UINT64_C(0xffffffff))

int ext4_fail(struct cor_error *err, errcode_t code, const char *what)
{
	if (code == EXT2_ET_BLOCK_ALLOC_FAIL || code == EXT2_ET_INODE_ALLOC_FAIL)
		return cor_fail(err, COR_EXHAUSTED, ENOSPC, "%s: the image is too large for its disk", what);
	if (code > 0 && code < 256)
		return cor_fail_errno(err, (int)code, "%s", what);
	return cor_fail(err, COR_INTERNAL, EIO, "%s: %s", what, error_message(code));
}

static struct ext2_super_block layout(uint64_t size)
{
	struct ext2_super_block super = {
		.s_rev_level = EXT2_DYNAMIC_REV,
		.s_log_block_size = 2, /* 4096 */
		.s_log_cluster_size = 2,
		.s_inode_size = 256,
		.s_inodes_count = (uint32_t)(size / BYTES_PER_INODE),
		.s_log_groups_per_flex = 4,
		.s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX,
		.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
				      EXT4_FEATURE_INCOMPAT_FLEX_BG,
		.s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER |
				       EXT2_FEATURE_RO_COMPAT_LARGE_FILE | EXT4_FEATURE_RO_COMPAT_HUGE_FILE |
				       EXT4_FEATURE_RO_COMPAT_GDT_CSUM | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
				       EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE,
		.s_min_extra_isize = 32,
		.s_want_extra_isize = 32,
	};

	ext2fs_blocks_count_set(&super, size / EXT4_BLOCK);
	return super;
}

/* What ext2fs_initialize would take from the clock and from chance comes from the content, so that equal images are equal files. */
static void settle(ext2_filsys fs, const uint8_t uuid[16])
{
	struct ext2_super_block *super = fs->super;

	fs->now = 1;
	super->s_mkfs_time = 1;
	super->s_lastcheck = 1;
	super->s_wtime = 1;
	super->s_checkinterval = 0;
	super->s_max_mnt_count = -1;
	super->s_def_hash_version = EXT2_HASH_HALF_MD4;
	super->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	memcpy(super->s_uuid, uuid, 16);
	memcpy(super->s_hash_seed, uuid, 16);
	for (dgrp_t group = 0; group < fs->group_desc_count; group++)
		ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_ZEROED);
}

/* Inodes below s_first_ino belong to the file system itself. */
static errcode_t reserve_inodes(ext2_filsys fs)
{
	for (ext2_ino_t ino = 1; ino < EXT2_FIRST_INODE(fs->super); ino++)
		ext2fs_inode_alloc_stats2(fs, ino, +1, ino == EXT2_ROOT_INO);
	return 0;
}

static errcode_t add_journal(ext2_filsys fs, uint32_t blocks)
{
	return blocks ? ext2fs_add_journal_inode2(fs, blocks, ~UINT64_C(0),
						  EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK)
		      : 0;
}

int ext4_create(int fd, uint64_t size, const uint8_t uuid[16], struct ext4 **ret, struct cor_error *err)
{
	return ext4_create_with(fd, size, uuid, JOURNAL_BLOCKS, ret, err);
}

int ext4_create_with(int fd, uint64_t size, const uint8_t uuid[16], uint32_t journal_blocks,
		     struct ext4 **ret, struct cor_error *err)
{
	_cleanup_(ext4_freep) struct ext4 *disk = xcalloc(1, sizeof(*disk));
	struct ext2_super_block super = layout(size);
	char name[16];
	errcode_t e;

	disk->fd = fd;
	disk->buffer = xmalloc(BUFFER_SIZE);
	if (ftruncate(fd, (off_t)size) < 0)
		return cor_fail_errno(err, errno, "make a disk of %llu GiB",
				      (unsigned long long)(size / GIB));
	/* libext2fs closes what it was given. */
	_fd_ int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return cor_fail_errno(err, errno, "make a disk");
	snprintf(name, sizeof(name), "%d", own);
	e = ext2fs_initialize(name, EXT2_FLAG_64BITS, &super, unixfd_io_manager, &disk->fs);
	if (e)
		return ext4_fail(err, e, "lay out a file system");
	steal_fd(&own);
	settle(disk->fs, uuid);
	e = ext2fs_allocate_tables(disk->fs);
	if (!e)
		e = reserve_inodes(disk->fs);
	if (!e)
		e = add_journal(disk->fs, journal_blocks);
	if (e)
		return ext4_fail(err, e, "lay out a file system");
	/* Otherwise the kernel counts it at the first mount, and writes it into every copy of the superblock. */
	disk->fs->super->s_overhead_clusters =
		(uint32_t)(ext2fs_blocks_count(disk->fs->super) - ext2fs_free_blocks_count(disk->fs->super));
	disk->cursor = disk->fs->super->s_first_data_block;
	*ret = steal_ptr(disk);
	return 0;
}

void ext4_free(struct ext4 *disk)
{
	if (!disk)
		return;
	if (disk->fs)
		ext2fs_free(disk->fs);
	free(disk->buffer);
	free(disk);
}

/* The first run of free blocks behind the cursor, at most `want` of them. */
static int take_run(struct ext4 *disk, uint32_t want, blk64_t *ret_start, uint32_t *ret_count,
		    struct cor_error *err)
{
	ext2fs_block_bitmap map = disk->fs->block_map;
	blk64_t last = ext2fs_blocks_count(disk->fs->super) - 1, start, end, limit;
	errcode_t e = ext2fs_find_first_zero_block_bitmap2(map, disk->cursor, last, &start);

	if (e)
		return cor_fail(err, COR_EXHAUSTED, ENOSPC, "the image is too large for its disk of %llu GiB",
				(unsigned long long)((last + 1) * EXT4_BLOCK / GIB));
	limit = MIN(start + want - 1, last);
	if (ext2fs_find_first_set_block_bitmap2(map, start, limit, &end))
		end = limit + 1;
	ext2fs_block_alloc_stats_range(disk->fs, start, (blk_t)(end - start), +1);
	disk->cursor = end < last ? end : last;
	*ret_start = start;
	*ret_count = (uint32_t)(end - start);
	return 0;
}

static void note_extent(struct inode *inode, uint64_t logical, uint64_t physical, uint32_t count)
{
	struct extent *last = inode->extent_count ? &inode->extents[inode->extent_count - 1] : NULL;

	if (last && last->logical + last->count == logical && last->physical + last->count == physical &&
	    last->count + count <= EXTENT_BLOCKS) {
		last->count += count;
		return;
	}
	/* Grown by doubling: a hostile sparse file has very many. */
	if ((inode->extent_count & (inode->extent_count - 1)) == 0)
		inode->extents =
			xreallocarray(inode->extents, inode->extent_count ? inode->extent_count * 2 : 1,
				      sizeof(*inode->extents));
	inode->extents[inode->extent_count++] =
		(struct extent){.logical = logical, .physical = physical, .count = count};
}

static int write_at(int fd, const uint8_t *data, size_t size, uint64_t offset, struct cor_error *err)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return cor_fail_errno(err, n < 0 ? errno : ENOSPC, "write the image's disk");
		data += n;
		size -= (size_t)n;
		offset += (size_t)n;
	}
	return 0;
}

/* So that there is little left to wait for when the disk must be complete on the host's. */
static void submit(struct ext4 *disk, size_t size)
{
	disk->unsubmitted += size;
	if (disk->unsubmitted < SUBMIT_SIZE)
		return;
	disk->unsubmitted = 0;
	sync_file_range(disk->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int ext4_write_blocks(struct ext4 *disk, struct inode *inode, uint64_t logical, const void *data,
		      uint32_t count, struct cor_error *err)
{
	const uint8_t *p = data;

	while (count) {
		blk64_t start = 0;
		uint32_t run = 0;
		int r = take_run(disk, count, &start, &run, err);

		if (r == 0)
			r = write_at(disk->fd, p, (size_t)run * EXT4_BLOCK, start * EXT4_BLOCK, err);
		if (r < 0)
			return r;
		submit(disk, (size_t)run * EXT4_BLOCK);
		note_extent(inode, logical, start, run);
		p += (size_t)run * EXT4_BLOCK;
		logical += run;
		count -= run;
	}
	return 0;
}

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, EXT4_BLOCK - 1) == 0;
}

/* How many blocks of zeros begin here. */
static uint32_t zero_run(const uint8_t *data, uint32_t count)
{
	uint32_t run = 0;

	while (run < count && is_zero(data + (size_t)run * EXT4_BLOCK))
		run++;
	return run;
}

/* How many blocks to write until a hole begins. */
static uint32_t data_run(const uint8_t *data, uint32_t count)
{
	uint32_t run = 0;

	while (run < count) {
		uint32_t zeros = zero_run(data + (size_t)run * EXT4_BLOCK, count - run);

		if (zeros >= HOLE_BLOCKS || (zeros && run + zeros == count))
			break;
		run += zeros + 1;
	}
	return MIN(run, count);
}

/* Long runs of zeros become holes: they cost no room, and a bomb made of zeros costs nothing but the time to read it. */
static int flush_buffer(struct ext4 *disk, struct inode *inode, struct cor_error *err)
{
	uint32_t blocks = (uint32_t)((disk->used + EXT4_BLOCK - 1) / EXT4_BLOCK);
	uint64_t logical = disk->start / EXT4_BLOCK;

	memset(disk->buffer + disk->used, 0, (size_t)blocks * EXT4_BLOCK - disk->used);
	disk->start += (uint64_t)blocks * EXT4_BLOCK;
	disk->used = 0;
	for (uint32_t at = 0; at < blocks;) {
		const uint8_t *data = disk->buffer + (size_t)at * EXT4_BLOCK;
		uint32_t run = data_run(data, blocks - at);
		int r = run ? ext4_write_blocks(disk, inode, logical + at, data, run, err) : 0;

		if (r < 0)
			return r;
		at += run;
		at += zero_run(disk->buffer + (size_t)at * EXT4_BLOCK, blocks - at);
	}
	return 0;
}

/* Brings the buffer to where the next piece belongs; small gaps become zeros, large ones holes. */
static int seek_content(struct ext4 *disk, struct inode *inode, uint64_t offset, struct cor_error *err)
{
	size_t zeros;
	int r;

	if (disk->used && offset / EXT4_BLOCK > (disk->start + disk->used - 1) / EXT4_BLOCK &&
	    offset != disk->start + disk->used) {
		r = flush_buffer(disk, inode, err);
		if (r < 0)
			return r;
	}
	if (disk->used == 0)
		disk->start = offset - offset % EXT4_BLOCK;
	zeros = (size_t)(offset - disk->start) - disk->used;
	memset(disk->buffer + disk->used, 0, zeros);
	disk->used += zeros;
	return 0;
}

int ext4_add_content(struct ext4 *disk, struct inode *inode, uint64_t offset, const void *data, size_t size,
		     struct cor_error *err)
{
	const uint8_t *p = data;

	if (offset < disk->position)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "pieces of a file overlap");
	if (offset > FILE_BLOCKS_MAX * EXT4_BLOCK - size)
		return cor_fail(err, COR_UNSUPPORTED, EFBIG, "a file is larger than 16 TiB");
	while (size) {
		size_t part;
		int r = seek_content(disk, inode, offset, err);

		if (r < 0)
			return r;
		part = MIN(size, BUFFER_SIZE - disk->used);
		memcpy(disk->buffer + disk->used, p, part);
		disk->used += part;
		p += part;
		offset += part;
		size -= part;
		disk->position = offset;
		if (disk->used == BUFFER_SIZE) {
			r = flush_buffer(disk, inode, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int ext4_end_content(struct ext4 *disk, struct inode *inode, struct cor_error *err)
{
	int r = disk->used ? flush_buffer(disk, inode, err) : 0;

	disk->start = 0;
	disk->position = 0;
	return r;
}

void ext4_forget(void *userdata, const struct inode *inode)
{
	struct ext4 *disk = userdata;

	for (size_t i = 0; i < inode->extent_count; i++) {
		ext2fs_block_alloc_stats_range(disk->fs, inode->extents[i].physical, inode->extents[i].count,
					       -1);
		disk->cursor = MIN(disk->cursor, (blk64_t)inode->extents[i].physical);
	}
}

int ext4_used(int fd, uint64_t *ret)
{
	struct ext2_super_block super;
	uint64_t blocks, unused;

	if (pread(fd, &super, sizeof(super), SUPERBLOCK_OFFSET) != sizeof(super) ||
	    super.s_magic != EXT2_SUPER_MAGIC)
		return -EBADMSG;
	blocks = ext2fs_blocks_count(&super);
	unused = ext2fs_free_blocks_count(&super) + super.s_overhead_clusters;
	if (unused > blocks)
		return -EBADMSG;
	*ret = (blocks - unused) * EXT4_BLOCK;
	return 0;
}
