/* SPDX-License-Identifier: Apache-2.0 */
/* Records of containers are what says that a volume is wanted; nothing is counted anywhere else, so that nothing can be counted wrong. */
#include "container/volumes.h"

#include "container/folders.h"
#include "container/store.h"
#include "volume/volume.h"

#include <errno.h>
#include <sys/file.h>

void volume_users_release(struct volume_users *users)
{
	for (size_t i = 0; i < users->count; i++) {
		free(users->items[i].volume);
		free(users->items[i].container);
	}
	free(users->items);
	*users = (struct volume_users){0};
}

static void add(struct volume_users *users, const struct container_record *record, const char *volume)
{
	users->items = xreallocarray(users->items, users->count + 1, sizeof(*users->items));
	users->items[users->count].volume = xstrdup(volume);
	users->items[users->count].container = xstrdup(record->name);
	memcpy(users->items[users->count++].id, record->id, ID_SIZE);
}

int volume_users_read(const struct roots *roots, struct volume_users *ret, struct cor_error *err)
{
	_strv_ struct strv ids = {0};
	const char *id;
	int r = container_ids(roots, &ids, err);

	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		_cleanup_(container_record_release) struct container_record record = {0};

		if (container_record_read(roots, id, &record, NULL) < 0)
			continue;
		for (size_t j = 0; j < record.volume_count; j++)
			add(ret, &record, record.volumes[j].name);
	}
	return 0;
}

const char *volume_users_find(const struct volume_users *users, const char *volume, const char *but_id)
{
	for (size_t i = 0; i < users->count; i++)
		if (str_equal(users->items[i].volume, volume) && !str_equal(users->items[i].id, but_id))
			return users->items[i].container;
	return NULL;
}

static bool is_anonymous(const struct roots *roots, const char *name)
{
	_volume_ struct volume volume = {0};

	return volume_read(roots->data_fd, name, &volume, NULL) == 0 && volume.anonymous;
}

int container_volumes_remove(const struct roots *roots, const struct container_record *record,
			     struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	_fd_ int lock = -1;
	int r = 0;

	if (!record->volume_count)
		return 0;
	r = volume_lock(roots->data_fd, LOCK_EX, &lock, err);
	r = r ?: volume_users_read(roots, &users, err);
	for (size_t i = 0; r == 0 && i < record->volume_count; i++) {
		const char *name = record->volumes[i].name;

		if (!is_anonymous(roots, name) || volume_users_find(&users, name, record->id))
			continue;
		r = volume_remove(roots->data_fd, name, err);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

int container_remove_itself(const struct roots *roots, const struct container_record *record,
			    struct cor_error *err)
{
	int r = container_volumes_remove(roots, record, err);
	int files = container_remove_files(roots, record->id, record->name, r < 0 ? NULL : err);

	return r ?: files;
}
