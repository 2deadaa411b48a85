/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by ext4.c (blocks) and ext4_tree.c (inodes and directories). */
#pragma once

#include "image/ext4.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wundef"
#include <ext2fs/ext2fs.h>
#pragma GCC diagnostic pop

#define EXT4_BLOCK 4096u

struct ext4 {
	ext2_filsys fs;
	int fd;          /* borrowed */
	blk64_t cursor;  /* where the search for free blocks begins */
	uint8_t *buffer; /* contents of the current file that have no blocks yet */
	uint64_t start;  /* where in the file the buffer begins: a multiple of the block size */
	size_t used;
	size_t unsubmitted; /* bytes whose way to the host's disk has not begun */
	uint64_t position;  /* the end of what was written of the current file */
};

/* Writes whole blocks at a logical block of a file and notes where they went. */
int ext4_write_blocks(struct ext4 *disk, struct inode *inode, uint64_t logical, const void *data,
		      uint32_t count, struct cor_error *err);

/* An error of libext2fs, which are errnos and numbers of its own. */
int ext4_fail(struct cor_error *err, errcode_t code, const char *what);
