/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of volumes. One is made under a name that begins with a dot and moved to its own when all of it is on the disk; removing goes the same way back. So
 * a volume is whole or not there, and what a crash leaves is told by its name and by the lock that nobody holds any more. */
#include "volume/volume.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "volume/disk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RECORD_MAX   (1u << 20)
#define ASIDE        ".new-"
#define USAGE_LEVELS 256u

/* ---- the folder ---- */

static int open_folder(int data_dir, int *ret, struct cor_error *err)
{
	int r = dir_open_make(data_dir, "volumes", 0700, ret);

	return r < 0 ? cor_fail_errno(err, r, "the folder of volumes") : 0;
}

static int no_volume(const char *name, struct cor_error *err)
{
	return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no volume '%.80s'", name);
}

int volume_lock(int data_dir, int operation, int *ret_fd, struct cor_error *err)
{
	_fd_ int dir = -1, fd = -1;
	int r = open_folder(data_dir, &dir, err);

	if (r < 0)
		return r;
	fd = openat(dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cor_fail_errno(err, errno, "the lock of volumes");
	while (flock(fd, operation) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "the lock of volumes");
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int read_one(int dir, const char *name, struct volume *ret, struct cor_error *err)
{
	_free_ char *path = str_format("%s/volume.json", name);
	_volume_ struct volume volume = {0};
	_json_ json_t *document = NULL;
	int r = volume_name_valid(name) ? json_read_file(dir, path, RECORD_MAX, &document, err) : -ENOENT;

	if (r == -ENOENT)
		return no_volume(name, err);
	if (r < 0)
		return cor_context(err, r, "volume '%s'", name);
	if (volume_from_json(document, &volume) < 0 || strcmp(volume.name, name) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "volume '%s': its record is damaged", name);
	*ret = volume;
	volume = (struct volume){0};
	return 0;
}

int volume_read(int data_dir, const char *name, struct volume *ret, struct cor_error *err)
{
	_fd_ int dir = -1;
	int r = open_folder(data_dir, &dir, err);

	return r ?: read_one(dir, name, ret, err);
}

/* What somebody began and did not end: its lock is free. */
static void sweep(int dir, const char *name)
{
	_fd_ int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)tree_remove(dir, name);
}

int volume_names(int data_dir, struct strv *ret, struct cor_error *err)
{
	_fd_ int dir = -1;
	_dir_ DIR *stream = NULL;
	const struct dirent *entry;
	int r = open_folder(data_dir, &dir, err);

	if (r < 0)
		return r;
	stream = dir_list(dir, ".");
	if (!stream)
		return cor_fail_errno(err, errno, "the folder of volumes");
	while ((entry = dir_next(stream))) {
		if (volume_name_valid(entry->d_name))
			strv_add(ret, entry->d_name);
		else if (str_after(entry->d_name, ASIDE))
			sweep(dir, entry->d_name);
	}
	strv_sort(ret);
	return 0;
}

/* Takes the folder. What a guest hides below USAGE_LEVELS folders is not counted. */
static uint64_t folder_usage(int fd, unsigned level)
{
	_fd_ int own = fd;
	_dir_ DIR *stream = own < 0 ? NULL : fdopendir(own);
	const struct dirent *entry;
	uint64_t size = 0;

	if (!stream)
		return 0;
	steal_fd(&own);
	while ((entry = dir_next(stream))) {
		struct stat st;

		if (fstatat(dirfd(stream), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		size += (uint64_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode) && level < USAGE_LEVELS)
			size += folder_usage(openat(dirfd(stream), entry->d_name,
						    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
					     level + 1);
	}
	return size;
}

uint64_t volume_usage(int data_dir, const char *name)
{
	_free_ char *path = str_format("volumes/%s", name);

	return volume_name_valid(name)
		       ? folder_usage(open_beneath(data_dir, path, O_RDONLY | O_DIRECTORY, 0), 1)
		       : 0;
}

/* ---- making ---- */

/* A folder in the making, locked. */
struct workshop {
	int parent, dir;
	char name[sizeof(ASIDE) + ID_SIZE];
};

static void workshop_release(struct workshop *work)
{
	if (work->dir >= 0)
		(void)tree_remove(work->parent, work->name);
	close_fd(&work->dir);
}

static int workshop_open(int parent, struct workshop *work, struct cor_error *err)
{
	char id[ID_SIZE];
	int r = -EAGAIN;

	/* Who looks for leftovers may come between the folder and its lock. */
	for (int tries = 0; r == -EAGAIN && tries < 100; tries++) {
		struct stat st;

		r = id_generate(id);
		snprintf(work->name, sizeof(work->name), ASIDE "%s", id);
		if (r == 0 && mkdirat(parent, work->name, 0700) < 0)
			r = -errno;
		if (r < 0)
			break;
		work->parent = parent;
		work->dir = openat(parent, work->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (work->dir >= 0 && flock(work->dir, LOCK_EX | LOCK_NB) == 0 &&
		    fstat(work->dir, &st) == 0 && st.st_nlink > 0)
			return 0;
		close_fd(&work->dir);
		r = -EAGAIN;
	}
	return cor_fail_errno(err, r, "a folder for a volume");
}

static int write_data(int dir, const struct volume *volume, struct cor_error *err)
{
	_fd_ int fd = -1;

	if (volume->shared)
		return mkdirat(dir, "data", 0755) < 0 ? cor_fail_errno(err, errno, "a folder for its data")
						      : 0;
	fd = openat(dir, "disk", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return cor_fail_errno(err, errno, "its disk");
	return volume_disk_make(fd, volume, err);
}

/* What is there must be what was wished, as far as something was said. */
static int compare(const struct volume_wish *wish, const struct volume *wanted, const struct volume *there,
		   struct cor_error *err)
{
	bool said = wish->size || (wish->options && *wish->options);

	if (said && (wanted->size != there->size || wanted->journal != there->journal ||
		     wanted->shared != there->shared))
		return cor_fail(
			err, COR_EXISTS, EEXIST,
			"there is a volume '%s' already, of another size or with other options: remove "
			"it first or choose another name",
			there->name);
	return 0;
}

static int take_existing(int dir, const struct volume_wish *wish, const struct volume *wanted,
			 struct volume *ret, struct cor_error *err)
{
	_volume_ struct volume there = {0};
	int r = read_one(dir, wanted->name, &there, err);

	r = r ?: compare(wish, wanted, &there, err);
	if (r < 0)
		return r;
	*ret = there;
	there = (struct volume){0};
	return 0;
}

/* -EEXIST when somebody has the name. */
static int publish(struct workshop *work, const char *name, struct cor_error *err)
{
	int r = dir_sync_files(work->dir);

	if (r == 0 && fsync(work->dir) < 0)
		r = -errno;
	if (r == 0 && renameat2(work->parent, work->name, work->parent, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		return cor_fail_errno(err, r, "its folder");
	close_fd(&work->dir);
	return fsync(work->parent) < 0 ? cor_fail_errno(err, errno, "its folder") : 0;
}

static int make(int dir, struct volume *volume, struct cor_error *err)
{
	_cleanup_(workshop_release) struct workshop work = {.dir = -1};
	_json_ json_t *document = NULL;
	char id[ID_SIZE];
	int r = 0;

	if (!volume->name) {
		r = id_generate(id);
		volume->name = xstrdup(id);
	}
	volume->created_ns = clock_realtime_ns();
	document = volume_to_json(volume);
	r = r < 0 ? cor_fail_errno(err, r, "no random bytes for a name") : workshop_open(dir, &work, err);
	r = r ?: write_data(work.dir, volume, err);
	r = r ?: json_write_new(work.dir, "volume.json", document, 0600, err);
	return r ?: publish(&work, volume->name, err);
}

int volume_create(int data_dir, const struct volume_wish *wish, struct volume *ret, bool *ret_made,
		  struct cor_error *err)
{
	_volume_ struct volume volume = {0};
	struct cor_error one = {0};
	_fd_ int dir = -1;
	int r = volume_wish_parse(wish, &volume, err);

	r = r ?: open_folder(data_dir, &dir, err);
	if (r < 0)
		return r;
	*ret_made = false;
	r = volume.name ? take_existing(dir, wish, &volume, ret, err) : -ENOENT;
	if (r != -ENOENT)
		return r;
	r = make(dir, &volume, &one);
	if (r == -EEXIST)
		return take_existing(dir, wish, &volume, ret, err);
	if (r < 0)
		return cor_fail(err, one.status, one.err, "make volume '%.80s': %s", volume.name ?: "",
				one.msg);
	*ret_made = true;
	*ret = volume;
	volume = (struct volume){0};
	return 0;
}

/* ---- removing ---- */

/* Nobody's machine has it: not even one whose container is gone. */
static int check_idle(int data_dir, const struct volume *volume, struct cor_error *err)
{
	_fd_ int fd = -1;
	struct cor_error one = {0};
	int r = volume->shared ? 0 : volume_disk_open(data_dir, volume->name, false, &fd, &one);

	return r == -EBUSY ? cor_fail(err, one.status, one.err, "%s", one.msg) : 0;
}

int volume_remove(int data_dir, const char *name, struct cor_error *err)
{
	_volume_ struct volume volume = {0};
	_fd_ int dir = -1, own = -1;
	char aside[sizeof(ASIDE) + ID_SIZE], id[ID_SIZE];
	int r = open_folder(data_dir, &dir, err);

	if (r < 0)
		return r;
	own = volume_name_valid(name) ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
				      : -1;
	if (own < 0)
		return no_volume(name, err);
	/* One whose record is damaged can go too. */
	r = read_one(dir, name, &volume, NULL) == 0 ? check_idle(data_dir, &volume, err) : 0;
	if (r < 0)
		return r;
	r = id_generate(id);
	snprintf(aside, sizeof(aside), ASIDE "%s", id);
	if (r == 0 && (flock(own, LOCK_EX) < 0 || renameat(dir, name, dir, aside) < 0))
		r = -errno;
	if (r == -ENOENT)
		return no_volume(name, err);
	r = r ?: tree_remove(dir, aside);
	return r < 0 ? cor_fail_errno(err, r, "remove volume '%s'", name) : 0;
}
