/* SPDX-License-Identifier: Apache-2.0 */
/* A disk, a share, or a folder of the guest. One that cannot be written may lack what config.json mounts on (an image with no /etc has no place for
 * /etc/hosts); it then gets an overlay in memory, where the places can be made. The container sees that read-only too. */
#include "init/root.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "init/early.h"
#include "init/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static int mount_folder(struct container *container, int guest_root, struct cor_error *err)
{
	const char *path = container->spec->root_path;
	_strv_ struct strv bind = {0};

	if (!path || *path != '/')
		return cor_fail(
			err, COR_INVALID, EINVAL,
			"config.json: root.path: an absolute path is needed where the request has no root");
	strv_add(&bind, "rbind");
	return mount_at(guest_root, container->root, path, NULL, &bind, err);
}

/* ---- places to mount on ---- */

/* True for what lies on another mount of the specification: it is none of the root's. */
static bool lies_on_mount(const struct oci_spec *spec, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		const char *rest = str_after(spec->mounts[index].target, spec->mounts[i].target);

		if (rest && *rest == '/')
			return true;
	}
	return false;
}

static bool lacks_place(const struct oci_spec *spec, int root)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		_fd_ int fd =
			lies_on_mount(spec, i) ? -1 : open_in_root(root, spec->mounts[i].target, O_PATH, 0);

		if (fd == -ENOENT)
			return true;
	}
	return false;
}

static int mount_overlay(struct container *container, struct cor_error *err)
{
	_free_ char *upper = str_format("%s/upper", container->folder),
		    *work = str_format("%s/work", container->folder),
		    *options = str_format("lowerdir=%s,upperdir=%s,workdir=%s", container->root, upper, work);

	if (mkdir(upper, 0755) < 0 || mkdir(work, 0755) < 0 ||
	    mount("overlay", container->root, "overlay", 0, options) < 0)
		return cor_fail_errno(err, errno, "an overlay of the root file system");
	container->mounts++;
	return 0;
}

static int make_places(struct container *container, struct cor_error *err)
{
	_fd_ int root = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statvfs st;

	if (!container->spec->root_readonly || root < 0 || fstatvfs(root, &st) < 0 ||
	    !(st.f_flag & ST_RDONLY) || !lacks_place(container->spec, root))
		return 0;
	return mount_overlay(container, err);
}

/* ---- both ---- */

int root_mount(struct container *container, const Coracle__Agent__V1__Filesystem *root, struct cor_error *err)
{
	_fd_ int guest_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (mkdir(container->root, 0755) < 0)
		return cor_fail_errno(err, errno, "%s", container->root);
	if (early_root_take(container->guest, root, container->root)) {
		r = 0;
	} else if (root && !str_empty(root->source)) {
		/* Borrowed strings in a borrowed list. */
		struct strv options = {.items = root->options, .count = root->n_options};

		r = mount_at(guest_root, container->root, root->source, root->type, &options, err);
	} else {
		r = mount_folder(container, guest_root, err);
	}
	if (r < 0)
		return cor_context(err, r, "the root file system");
	container->mounts++;
	return make_places(container, err);
}

/* Blocks that nobody may have, not even root, until the file system is unmounted: so a container is told that its disk is full before the host has to stop it. */
int root_limit(struct container *container, uint64_t capacity, struct cor_error *err)
{
	_free_ char *device = NULL, *path = NULL, *text = NULL;
	_fd_ int fd = -1;
	char target[PATH_MAX];
	struct statvfs room;
	struct stat st;
	ssize_t n;

	if (!capacity)
		return 0;
	if (stat(container->root, &st) < 0 || statvfs(container->root, &room) < 0)
		return cor_fail_errno(err, errno, "the root file system");
	if (capacity / room.f_bsize >= room.f_blocks)
		return 0;
	device = str_format("/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	n = readlink(device, target, sizeof(target) - 1);
	if (n < 0)
		return cor_fail_errno(err, errno, "the root's disk");
	target[n] = '\0';
	path = str_format("/sys/fs/ext4/%s/reserved_clusters", strrchr(target, '/') + 1);
	text = str_format("%llu", (unsigned long long)(room.f_blocks - capacity / room.f_bsize));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return cor_fail_errno(err, errno, "limit the root file system");
	return 0;
}

/* What still lies on the mount keeps its data until it lets go; nothing of the container is left that could write. */
void root_unmount(struct container *container)
{
	for (; container->mounts; container->mounts--)
		if (umount2(container->root, UMOUNT_NOFOLLOW) < 0 &&
		    umount2(container->root, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			log_error("unmount %s: %s", container->root, strerror(errno));
}
