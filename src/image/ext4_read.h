/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a file system that ext4.h made: ours, never one that a guest could write. Names and attributes only. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EXT4_ROOT 2u

struct ext4_file {
	char *name;
	uint32_t number; /* of the inode */
	mode_t mode;
	uint32_t uid, gid;
	uint64_t size;
	int64_t mtime, ctime; /* seconds since the epoch */
	uint32_t mtime_ns, ctime_ns;
};

struct ext4_folder {
	struct ext4_file *items; /* in the order of their names' bytes */
	size_t count;
};
void ext4_folder_release(struct ext4_folder *folder);

struct ext4_reader;
/* fd is borrowed until the reader is freed. */
int ext4_reader_open(int fd, struct ext4_reader **ret, struct cor_error *err);
void ext4_reader_free(struct ext4_reader *reader);
DEFINE_CLEANUP(struct ext4_reader *, ext4_reader_free)

int ext4_reader_list(struct ext4_reader *reader, uint32_t number, struct ext4_folder *ret,
		     struct cor_error *err);
