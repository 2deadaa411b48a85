/* SPDX-License-Identifier: Apache-2.0 */
/* Making and handing out. That a descriptor holds the lock, and not a process, is what makes a machine that outlives its shim for a moment safe. */
#include "volume/disk.h"

#include "base/size.h"
#include "image/ext4.h"
#include "volume/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define BLOCK        4096u
#define JOURNAL_MIN  1024u  /* blocks, which is all that a journal can be */
#define JOURNAL_MAX  16384u /* 64 MiB: what a busy database fills between two commits */
#define JOURNAL_PART 64u    /* of the disk, on small ones */
#define DYING_TRIES  50     /* for a machine whose end has begun */
#define DYING_NAP_MS 20

static uint32_t journal_blocks(const struct volume *volume)
{
	uint64_t blocks = volume->size / BLOCK / JOURNAL_PART;

	return volume->journal ? (uint32_t)MAX(JOURNAL_MIN, MIN(blocks, (uint64_t)JOURNAL_MAX)) : 0;
}

int volume_disk_make(int fd, const struct volume *volume, struct cor_error *err)
{
	_cleanup_(ext4_freep) struct ext4 *disk = NULL;
	_cleanup_(tree_release) struct tree tree;
	uint8_t uuid[16];
	int r;

	tree_init(&tree);
	if (getrandom(uuid, sizeof(uuid), 0) != sizeof(uuid))
		return cor_fail(err, COR_INTERNAL, EIO, "no random bytes for a disk");
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	r = ext4_create_with(fd, volume->size, uuid, journal_blocks(volume), &disk, err);
	return r ?: ext4_write_tree(disk, &tree, err);
}

/* A machine that is being killed lets go in a moment. */
static int lock(int fd, int operation)
{
	for (int tries = 0; flock(fd, operation | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK || tries == DYING_TRIES)
			return -errno;
		poll(NULL, 0, DYING_NAP_MS);
	}
	return 0;
}

/* A guest's machine cannot change it, and nothing of ours does. */
static int check_size(int data_dir, const char *name, const struct stat *st, struct cor_error *err)
{
	_volume_ struct volume volume = {0};
	int r = volume_read(data_dir, name, &volume, err);

	if (r < 0 || (uint64_t)st->st_size == volume.size)
		return r;
	return cor_fail(
		err, COR_CORRUPT, EUCLEAN,
		"the disk of volume '%s' is damaged: it has %llu bytes and not %llu: restore it from a "
		"copy, or give it its size with truncate(1) and run `coracle volume check --repair %s`",
		name, (unsigned long long)st->st_size, (unsigned long long)volume.size, name);
}

int volume_disk_open(int data_dir, const char *name, bool read_only, int *ret_fd, struct cor_error *err)
{
	_free_ char *path = str_format("volumes/%s/disk", name);
	_fd_ int fd = volume_name_valid(name)
			      ? openat(data_dir, path,
				       (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
			      : -1;
	struct stat st;
	int r;

	if (fd < 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no disk of volume '%s'", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cor_fail(err, COR_CORRUPT, EINVAL, "the disk of volume '%s' is no file", name);
	r = lock(fd, read_only ? LOCK_SH : LOCK_EX);
	if (r == -EWOULDBLOCK)
		return cor_fail(err, COR_BUSY, EBUSY, "volume '%s' is in use", name);
	if (r < 0)
		return cor_fail_errno(err, r, "lock volume '%s'", name);
	r = check_size(data_dir, name, &st, err);
	if (r < 0)
		return r;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* ---- checking ---- */

#define CHECK_S  100 /* at a start, for which somebody waits */
#define REPAIR_S 3600

static int replay(int fd, struct disk_state *state, unsigned seconds, struct cor_error *err)
{
	int r = state->replay ? volume_fsck(fd, FSCK_REPLAY, seconds, NULL, err) : 0;

	return r ?: disk_state_read(fd, state, err);
}

/* For who writes. */
static int make_sure(int fd, bool read_only, struct cor_error *err)
{
	struct disk_state state;
	int r = disk_state_read(fd, &state, err);

	if (r == 0 && !state.formatted)
		return cor_fail(err, COR_CORRUPT, EUCLEAN, "its file system is damaged");
	if (r == 0 && (state.doubtful || read_only))
		r = replay(fd, &state, CHECK_S, err);
	if (r == 0 && state.doubtful)
		r = volume_fsck(fd, FSCK_LOOK, CHECK_S, NULL, err);
	return r;
}

static int explain(const char *name, int r, const struct cor_error *why, struct cor_error *err)
{
	if (why->status != COR_CORRUPT)
		return cor_fail(err, why->status, r, "volume '%s': %s", name, why->msg);
	return cor_fail(err, why->status, r,
			"volume '%s': %s: `coracle volume check --repair %s` may save what is in it", name,
			why->msg, name);
}

int volume_disk_open_checked(int data_dir, const char *name, bool read_only, int *ret_fd,
			     struct cor_error *err)
{
	struct cor_error why = {0};
	struct disk_state state;
	_fd_ int fd = -1;
	int r = volume_disk_open(data_dir, name, read_only, &fd, err);

	if (r < 0)
		return r;
	r = disk_state_read(fd, &state, &why);
	if (r == 0 && (!state.formatted || state.doubtful || (read_only && state.replay))) {
		close_fd(&fd);
		r = volume_disk_open(data_dir, name, false, &fd, err);
		if (r < 0)
			return r;
		r = make_sure(fd, read_only, &why);
		close_fd(&fd);
		if (r == 0)
			return volume_disk_open(data_dir, name, read_only, ret_fd, err);
	}
	if (r < 0)
		return explain(name, r, &why, err);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int volume_disk_check(int data_dir, const char *name, bool repair, bool *ret_repaired, struct cor_error *err)
{
	struct cor_error why = {0};
	struct disk_state state;
	_fd_ int fd = -1;
	int r = volume_disk_open(data_dir, name, false, &fd, err);

	if (r < 0)
		return r;
	*ret_repaired = false;
	r = disk_state_read(fd, &state, &why);
	if (r == 0 && state.formatted)
		r = replay(fd, &state, REPAIR_S, &why);
	/* A journal that cannot be replayed is repaired with the rest. */
	if (r == 0 || (r == -EUCLEAN && repair))
		r = volume_fsck(fd, repair ? FSCK_REPAIR : FSCK_LOOK, REPAIR_S, ret_repaired, &why);
	return r < 0 ? explain(name, r, &why, err) : 0;
}
