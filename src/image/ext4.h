/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an ext4 file system into a file, without root and without mounting: contents first, as they come; names and attributes at the end,
 * from a tree. The same input gives the same bytes. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "image/tree.h"

#include <stdint.h>

struct ext4;

/* Starts a file system of size bytes in the empty file fd, which is borrowed until ext4_free. What is not used stays a hole. */
int ext4_create(int fd, uint64_t size, const uint8_t uuid[16], struct ext4 **ret, struct cor_error *err);
/* The same with a journal of so many blocks of 4096 bytes, at least 1024; 0: without one. */
int ext4_create_with(int fd, uint64_t size, const uint8_t uuid[16], uint32_t journal_blocks,
		     struct ext4 **ret, struct cor_error *err);
void ext4_free(struct ext4 *disk);
DEFINE_CLEANUP(struct ext4 *, ext4_free)

/* Adds contents to a regular file that is not in a tree yet: pieces at rising offsets, gaps are holes. One file at a time; ext4_end_content after the
 * last piece. COR_EXHAUSTED when the disk is full, COR_CORRUPT for pieces that overlap. */
int ext4_add_content(struct ext4 *disk, struct inode *inode, uint64_t offset, const void *data, size_t size,
		     struct cor_error *err);
int ext4_end_content(struct ext4 *disk, struct inode *inode, struct cor_error *err);

/* Bytes that hold something in a complete file system, of those that can; only for one that we made and nobody has written to since. 0 or -errno. */
int ext4_used(int fd, uint64_t *ret);

/* Gives an inode's blocks back: tree.forget. */
void ext4_forget(void *disk, const struct inode *inode);

/* Writes the tree and completes the file system; the last call before ext4_free. */
int ext4_write_tree(struct ext4 *disk, struct tree *tree, struct cor_error *err);
