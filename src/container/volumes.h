/* SPDX-License-Identifier: Apache-2.0 */
/* Which containers have which volumes. */
#pragma once

#include "container/record.h"

/* Pairs of a volume and a container that names it, running or not. */
struct volume_users {
	struct {
		char *volume, *container, id[ID_SIZE];
	} * items;
	size_t count;
};
/* Of all containers. One whose record cannot be read has none. */
int volume_users_read(const struct roots *roots, struct volume_users *ret, struct cor_error *err);
void volume_users_release(struct volume_users *users);
/* The name of a container, other than the one with this id (NULL: any), that has the volume; NULL: none has. */
const char *volume_users_find(const struct volume_users *users, const char *volume, const char *but_id);

/* Removes the anonymous volumes of a container that goes, but for those that another one names too. The volumes' lock must be free or be waited for; the machine is gone. */
int container_volumes_remove(const struct roots *roots, const struct container_record *record,
			     struct cor_error *err);

/* The end of one that was made to remove itself: anonymous volumes, then all the rest. The caller holds its lock. */
int container_remove_itself(const struct roots *roots, const struct container_record *record,
			    struct cor_error *err);
