/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ext4_read.h"

#include "base/str.h"
#include "image/ext4_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct ext4_reader {
	ext2_filsys fs;
};

int ext4_reader_open(int fd, struct ext4_reader **ret, struct cor_error *err)
{
	_cleanup_(ext4_reader_freep) struct ext4_reader *reader = xcalloc(1, sizeof(*reader));
	/* libext2fs closes what it was given. */
	_fd_ int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	char name[16];
	errcode_t e;

	if (own < 0)
		return cor_fail_errno(err, errno, "look into an image's disk");
	snprintf(name, sizeof(name), "%d", own);
	e = ext2fs_open(name, EXT2_FLAG_64BITS, 0, 0, unixfd_io_manager, &reader->fs);
	if (e)
		return ext4_fail(err, e, "look into an image's disk");
	steal_fd(&own);
	*ret = steal_ptr(reader);
	return 0;
}

void ext4_reader_free(struct ext4_reader *reader)
{
	if (!reader)
		return;
	if (reader->fs)
		ext2fs_free(reader->fs);
	free(reader);
}

void ext4_folder_release(struct ext4_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		free(folder->items[i].name);
	free(folder->items);
	*folder = (struct ext4_folder){0};
}

/* ---- listing ---- */

struct listing {
	struct ext4_folder folder;
	size_t capacity;
};

static int add_name(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset, int block_size,
		    char *buffer, void *user)
{
	struct listing *listing = user;
	size_t size = (size_t)ext2fs_dirent_name_len(dirent);

	if (entry == DIRENT_DOT_FILE || entry == DIRENT_DOT_DOT_FILE)
		return 0;
	if (listing->folder.count == listing->capacity) {
		listing->capacity = listing->capacity ? 2 * listing->capacity : 32;
		listing->folder.items = xreallocarray(listing->folder.items, listing->capacity,
						      sizeof(*listing->folder.items));
	}
	listing->folder.items[listing->folder.count++] =
		(struct ext4_file){.name = xstrndup(dirent->name, size), .number = dirent->inode};
	return 0;
}

/* As put_time of ext4_tree.c writes it. */
static void get_time(uint32_t seconds, uint32_t extra, int64_t *ret, uint32_t *ret_ns)
{
	*ret = (int64_t)(int32_t)seconds + ((int64_t)(extra & 3) << 32);
	*ret_ns = extra >> 2;
}

static errcode_t fill(struct ext4_reader *reader, struct ext4_file *file)
{
	struct ext2_inode_large raw = {0};
	errcode_t e =
		ext2fs_read_inode_full(reader->fs, file->number, (struct ext2_inode *)&raw, sizeof(raw));

	if (e)
		return e;
	file->mode = raw.i_mode;
	file->uid = raw.i_uid | (uint32_t)raw.osd2.linux2.l_i_uid_high << 16;
	file->gid = raw.i_gid | (uint32_t)raw.osd2.linux2.l_i_gid_high << 16;
	file->size = raw.i_size | (uint64_t)raw.i_size_high << 32;
	get_time(raw.i_mtime, raw.i_mtime_extra, &file->mtime, &file->mtime_ns);
	get_time(raw.i_ctime, raw.i_ctime_extra, &file->ctime, &file->ctime_ns);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct ext4_file *)a)->name, ((const struct ext4_file *)b)->name);
}

int ext4_reader_list(struct ext4_reader *reader, uint32_t number, struct ext4_folder *ret,
		     struct cor_error *err)
{
	struct listing listing = {0};
	errcode_t e = ext2fs_dir_iterate2(reader->fs, number, 0, NULL, add_name, &listing);

	for (size_t i = 0; !e && i < listing.folder.count; i++)
		e = fill(reader, &listing.folder.items[i]);
	if (e) {
		ext4_folder_release(&listing.folder);
		return ext4_fail(err, e, "look into an image's disk");
	}
	if (listing.folder.count)
		qsort(listing.folder.items, listing.folder.count, sizeof(*listing.folder.items), by_name);
	*ret = listing.folder;
	return 0;
}
