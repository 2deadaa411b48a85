/* SPDX-License-Identifier: Apache-2.0 */
/* The disk of a volume: an ext4 file system in a sparse file. In its root lies "data", which is what containers see: so a fresh volume is empty to programs that want
 * it so. Init makes it at the first use (init/volume.c). */
#pragma once

#include "volume/volume.h"

/* Lays a file system out in the empty file fd. Quick, whatever its size: nearly all of it is holes. */
int volume_disk_make(int fd, const struct volume *volume, struct cor_error *err);

/* Opens the disk for a machine and takes its flock, alone to write or shared to read, which holds as long as the descriptor or a copy of it is open
 * somewhere: so until the VMM has ended, whoever else has died. COR_BUSY when others have it; COR_CORRUPT when it has not the size of the record. */
int volume_disk_open(int data_dir, const char *name, bool read_only, int *ret_fd, struct cor_error *err);

/* The same, of a disk whose file system is whole as far as can be told: one of which there is reason for doubt is checked first, and what a journal holds is replayed for
 * who only reads; a writer's guest does that itself. Blocks for that long. COR_CORRUPT. */
int volume_disk_open_checked(int data_dir, const char *name, bool read_only, int *ret_fd,
			     struct cor_error *err);

/* Looks at it, however it was left, or makes it whole again as far as can be; nobody may have it meanwhile. *ret_repaired: something was. */
int volume_disk_check(int data_dir, const char *name, bool repair, bool *ret_repaired, struct cor_error *err);
