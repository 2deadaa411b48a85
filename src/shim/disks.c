/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that grow no further: what --storage-size means for a guest, and what people are told when writes fail. */
#include "shim/shim.h"

#include "image/ext4.h"

#include <errno.h>
#include <fcntl.h>

static const char *disk_name(const struct shim *shim, size_t index, char *out, size_t size)
{
	snprintf(out, size, "%s", index ? "the mailbox that copies go through" : "the container's own disk");
	for (size_t i = 0, disk = 0; i < shim->record.volume_count; i++) {
		disk += !shim->record.volumes[i].shared;
		if (index && disk == index && !shim->record.volumes[i].shared)
			snprintf(out, size, "volume '%s'", shim->record.volumes[i].name);
	}
	return out;
}

/* Into the shim's log, among what the guest's kernel says of the same, and into the record of the end: the two logs may lie on the disk that is full. */
static void tell(struct shim *shim, const char *disk, const char *why)
{
	_free_ char *line = str_format("coracle: writes to %s fail: %s\n", disk, why);

	if (!shim->disk_failure[0])
		snprintf(shim->disk_failure, sizeof(shim->disk_failure), "writes to %s failed: %s", disk,
			 why);
	log_warning("writes to %s fail: %s", disk, why);
	rotating_write(&shim->console_log, line, strlen(line));
}

void disks_look(struct shim *shim)
{
	uint64_t fresh = shim->vm->failed_disks & ~shim->failed_disks;
	char name[300];

	shim->failed_disks |= fresh;
	for (size_t i = 0; fresh; i++, fresh >>= 1) {
		bool full = shim->vm->full_disks >> i & 1;

		if (!(fresh & 1))
			continue;
		disk_name(shim, i, name, sizeof(name));
		if (full && i == 0 && shim->record.storage_size)
			tell(shim, name,
			     "it is as large as --storage-size lets it be, or the host's disk is full");
		else
			tell(shim, name, full ? "the host's disk is full" : "the host's disk has an error");
	}
}

int disks_root_capacity(const struct shim *shim, uint64_t *ret, struct cor_error *err)
{
	_fd_ int fd = -1;
	uint64_t used = 0;
	int r;

	*ret = 0;
	if (!shim->record.storage_size || shim->record.read_only)
		return 0;
	fd = open(shim->record.rootfs, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	r = fd < 0 ? -errno : ext4_used(fd, &used);
	if (r < 0)
		return cor_fail_errno(err, r, "the file system of image '%s'", shim->record.image);
	*ret = used + shim->record.storage_size;
	return 0;
}
