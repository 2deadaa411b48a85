/* SPDX-License-Identifier: Apache-2.0 */
/* The container's volumes: opened and locked here, handed to the VMM as disks, mounted by the guest. What a volume holds was written by guests; nothing of it is
 * read on this side. */
#include "container/lock.h"
#include "shim/shim.h"

#include "container/volumes.h"
#include "volume/disk.h"

#include <errno.h>

#define PREPARE_MS (10 * 60 * 1000) /* to replay a journal, and to copy what an image has */
#define FEATURE    "volumes"

/* By its number, as in the record. */
static const char *const serials[] = {
	"volume-0", "volume-1", "volume-2",  "volume-3",  "volume-4",  "volume-5",  "volume-6",  "volume-7",
	"volume-8", "volume-9", "volume-10", "volume-11", "volume-12", "volume-13", "volume-14", "volume-15"};
_Static_assert(ARRAY_SIZE(serials) == VOLUMES_MAX, "each volume has a serial");

/* Maintenance may be of the container's own disk alone. */
static size_t volume_count(const struct shim *shim)
{
	return shim->maintenance && !shim->with_volumes ? 0 : shim->record.volume_count;
}

/* ---- the host's side ---- */

/* Puts the container that runs with it into the error. */
static int explain_busy(const struct shim *shim, const struct volume_use *use, struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	const char *holder = NULL;

	if (volume_users_read(&shim->roots, &users, NULL) == 0)
		for (size_t i = 0; i < users.count; i++)
			if (str_equal(users.items[i].volume, use->name) &&
			    strcmp(users.items[i].id, shim->id) != 0 &&
			    container_is_locked(&shim->roots, users.items[i].id) == 1)
				holder = users.items[i].container;
	if (!holder)
		return cor_fail(err, COR_BUSY, EBUSY,
				"volume '%s' is in use by a machine that is ending: try again", use->name);
	return cor_fail(err, COR_BUSY, EBUSY,
			"volume '%s' is in use by container '%s', and has one writer or many readers (:ro): "
			"stop that one "
			"first, or use a volume made with --opt shared=true",
			use->name, holder);
}

static int open_one(const struct shim *shim, size_t index, struct vm_disk *disk, struct cor_error *err)
{
	const struct volume_use *use = &shim->record.volumes[index];
	int fd, r = volume_disk_open_checked(shim->roots.data_fd, use->name, use->read_only, &fd, err);

	if (r == -EBUSY)
		return explain_busy(shim, use, err);
	if (r < 0)
		return r;
	*disk = (struct vm_disk){
		.serial = serials[index], .overlay_fd = -1, .base_fd = fd, .writable = !use->read_only};
	return 0;
}

int volumes_open(const struct shim *shim, struct vm_disk *disks, size_t *ret_count, struct cor_error *err)
{
	*ret_count = 0;
	for (size_t i = 0; i < volume_count(shim); i++) {
		int r = shim->record.volumes[i].shared ? 0 : open_one(shim, i, &disks[*ret_count], err);

		if (r < 0)
			return r;
		*ret_count += !shim->record.volumes[i].shared;
	}
	return 0;
}

void volumes_close(struct vm_disk *disks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close_fd(&disks[i].base_fd);
}

/* ---- the guest's side ---- */

static void on_prepared(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	if (!went_well(user, status, NULL))
		return;
	shim_time(user, "guest", "volume ready");
	prepared(user);
}

static int prepare_one(struct shim *shim, size_t index, struct cor_error *err)
{
	Coracle__Agent__V1__PrepareVolumeRequest request = CORACLE__AGENT__V1__PREPARE_VOLUME_REQUEST__INIT;
	Coracle__Agent__V1__Filesystem filesystem = CORACLE__AGENT__V1__FILESYSTEM__INIT;
	const struct volume_use *use = &shim->record.volumes[index];
	_free_ char *name = str_format("%zu", index), *source = str_format("disk:%s", serials[index]);
	char *writer[] = {(char[]){"discard"}, (char[]){"errors=remount-ro"}},
	     *reader[] = {(char[]){"ro"}, (char[]){"noload"}};

	filesystem.source = source;
	filesystem.type = (char[]){"ext4"};
	filesystem.options = use->read_only ? reader : writer;
	filesystem.n_options = 2;
	request.container_id = shim->id;
	request.name = name;
	request.filesystem = &filesystem;
	request.copy_from = use->copy ? use->target : (char[]){""};
	request.label = use->name;
	return rpc_call_unary(shim->guest, AGENT("PrepareVolume"), &request.base,
			      &coracle__agent__v1__empty__descriptor, PREPARE_MS, on_prepared, shim, err);
}

void volumes_prepare(struct shim *shim)
{
	struct cor_error err;

	if (volume_count(shim) && !guest_knows(shim, FEATURE)) {
		cor_fail(&err, COR_UNSUPPORTED, EOPNOTSUPP, "the guest's init is too old to mount volumes");
		shim_fail(shim, &err);
		return;
	}
	for (size_t i = 0; i < volume_count(shim) && shim->stage == BOOTING; i++) {
		if (shim->record.volumes[i].shared)
			continue;
		if (!rpc_conn_alive(shim->guest))
			return;
		shim->preparing++;
		if (prepare_one(shim, i, &err) < 0)
			shim_fail(shim, &err);
	}
}
