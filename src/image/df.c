/* SPDX-License-Identifier: Apache-2.0 */
/* What the store takes of the host's disk. What has several names is counted where it is found first: a blob that a running pull holds is the images', not the pull's. */
#include "base/str.h"
#include "image/children.h"
#include "image/sweep.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

struct kind {
	json_int_t total, active, size, reclaimable;
};

struct usage {
	const struct image_store *store;
	image_used_fn *used;
	void *userdata;
	struct needed needed; /* by images that are in use */
	struct kind images, disks, parts;
	struct {
		dev_t device;
		ino_t inode;
	} * seen; /* files with several names */
	size_t seen_count;
};

static void usage_release(struct usage *usage)
{
	needed_release(&usage->needed);
	free(usage->seen);
}

static bool is_first_name(struct usage *usage, const struct stat *st)
{
	if (st->st_nlink < 2)
		return true;
	for (size_t i = 0; i < usage->seen_count; i++)
		if (usage->seen[i].device == st->st_dev && usage->seen[i].inode == st->st_ino)
			return false;
	usage->seen = xreallocarray(usage->seen, usage->seen_count + 1, sizeof(*usage->seen));
	usage->seen[usage->seen_count].device = st->st_dev;
	usage->seen[usage->seen_count++].inode = st->st_ino;
	return true;
}

static void count(struct usage *usage, struct kind *kind, int dir, const char *file, bool active)
{
	struct stat st;
	json_int_t size;

	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_first_name(usage, &st))
		return;
	size = (json_int_t)st.st_blocks * 512;
	kind->size += size;
	kind->reclaimable += active ? 0 : size;
}

static void visit_blob(void *userdata, const char *file)
{
	struct usage *usage = userdata;

	count(usage, &usage->images, usage->store->blobs, file, needs_blob(&usage->needed, file));
}

static void visit_disk(void *userdata, const char *file)
{
	struct usage *usage = userdata;
	_free_ char *user = NULL;
	bool active = usage->used && usage->used(usage->userdata, file, &user);

	usage->disks.total++;
	usage->disks.active += active;
	count(usage, &usage->disks, usage->store->rootfs, file, active);
}

static bool is_locked(int dir, const char *name)
{
	_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void visit_part(void *userdata, const char *file)
{
	struct usage *usage = userdata;
	bool active = is_locked(usage->store->partial, file);

	usage->parts.total++;
	usage->parts.active += active;
	count(usage, &usage->parts, usage->store->partial, file, active);
}

struct workspace_files {
	struct usage *usage;
	int dir;
	bool active;
};

static void visit_work(void *userdata, const char *file)
{
	struct workspace_files *work = userdata;

	count(work->usage, &work->usage->parts, work->dir, file, work->active);
}

/* What commands are making now, and what killed ones left. */
static void count_tmp(struct usage *usage)
{
	_dir_ DIR *d = dir_list(usage->store->tmp, ".");
	const struct dirent *entry;

	while ((entry = dir_next(d))) {
		struct workspace_files work = {.usage = usage, .dir = -1};

		if (!str_after(entry->d_name, "work-"))
			continue;
		work.dir = openat(usage->store->tmp, entry->d_name,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (work.dir < 0)
			continue;
		work.active = is_locked(usage->store->tmp, entry->d_name);
		usage->parts.total++;
		usage->parts.active += work.active;
		sweep_each_file(work.dir, visit_work, &work);
		close_fd(&work.dir);
	}
}

static int find_active(struct usage *usage, struct cor_error *err)
{
	_index_ struct index index = {0};
	int r = index_read(usage->store, &index, err);

	if (r < 0)
		return r;
	usage->images.total = (json_int_t)index.count;
	for (size_t i = index.count; i-- > 0;) {
		_free_ char *user = NULL;

		if (image_is_used(usage->store, &index.items[i], usage->used, usage->userdata, &user))
			usage->images.active++;
		else
			index_remove(&index, i);
	}
	needed_collect(usage->store, &index, &usage->needed);
	return 0;
}

static void tell(json_t *facts, const char *name, const struct kind *kind)
{
	json_object_set_new(facts, name,
			    json_pack("{s:I, s:I, s:I, s:I}", "Total", kind->total, "Active", kind->active,
				      "Size", kind->size, "Reclaimable", kind->reclaimable));
}

int image_usage(struct image_store *store, image_used_fn *used, void *userdata, json_t *facts,
		struct cor_error *err)
{
	_cleanup_(usage_release) struct usage usage = {.store = store, .used = used, .userdata = userdata};
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_SH, &fd, err);

	r = r ?: find_active(&usage, err);
	if (r < 0)
		return r;
	sweep_each_file(store->blobs, visit_blob, &usage);
	sweep_each_file(store->rootfs, visit_disk, &usage);
	sweep_each_file(store->partial, visit_part, &usage);
	count_tmp(&usage);
	tell(facts, "Images", &usage.images);
	tell(facts, "Disks", &usage.disks);
	tell(facts, "Parts", &usage.parts);
	return 0;
}
