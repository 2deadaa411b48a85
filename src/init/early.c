/* SPDX-License-Identifier: Apache-2.0 */
/* A fork mounts, tells by one byte how, does the rest, and ends. Only what is asked for with the same options is handed out, so that it is never seen
 * how early it was mounted. The names begin with a dot, as no container's do. */
#include "init/early.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/devices.h"
#include "init/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define PLACE  GUEST_RUN "/.root"
#define SERIAL "root"
#define TYPE   "ext4"
/* What is deleted is given back to the host. */
#define WRITABLE_DATA "discard"
/* A machine whose only container has ended is told to end before. */
#define REST_MS 100

enum how { NOT_THERE, WRITABLE, READ_ONLY };

static enum how mount_disk(const struct guest *guest)
{
	_free_ char *found = NULL;
	const char *device = guest->early_disk;

	if (!device && disk_find(SERIAL, &found) == 0)
		device = found;
	if (!device || mkdir(PLACE, 0700) < 0)
		return NOT_THERE;
	if (guest->waiting)
		disk_forget(device);
	if (mount(device, PLACE, TYPE, 0, WRITABLE_DATA) == 0)
		return WRITABLE;
	return errno == EACCES && mount(device, PLACE, TYPE, MS_RDONLY, NULL) == 0 ? READ_ONLY : NOT_THERE;
}

static const struct oci_spec usual = {0};

/* An empty group with the usual rules for devices. The first rules that a kernel gets cost several times what later ones do. */
static int make_group(void)
{
	_fd_ int group = -1;
	struct cor_error err;
	int r = cgroup_make(EARLY_GROUP, &usual.resources, &group, &err);

	return r == 0 && devices_restrict(group, &usual, &err) == 0 ? steal_fd(&group) : -1;
}

void early_prepare(struct guest *guest)
{
	guest->early_group = make_group();
	(void)disk_find(SERIAL, &guest->early_disk);
}

int early_group_take(struct guest *guest, const struct oci_spec *spec)
{
	return spec->device_count ? -1 : steal_fd(&guest->early_group);
}

static void on_rest(uv_timer_t *timer)
{
	struct guest *guest = timer->data;

	if (!guest->containers && guest->early_group < 0)
		guest->early_group = make_group();
}

void early_renew(struct guest *guest)
{
	if (guest->waiting)
		uv_timer_start(&guest->rest, on_rest, REST_MS, 0);
}

void early_begin(struct guest *guest)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		uint8_t how = (uint8_t)mount_disk(guest);

		(void)!write(fds[1], &how, 1);
		if (!guest->waiting)
			(void)make_group();
		_exit(0);
	}
	close(fds[1]);
	if (pid < 0)
		close(fds[0]);
	else
		guest->early_root = fds[0];
}

static bool is_wanted(enum how how, const Coracle__Agent__V1__Filesystem *wanted)
{
	_cleanup_(mount_options_release) struct mount_options options = {0};
	const char *data = how == WRITABLE ? WRITABLE_DATA : NULL;
	struct strv list; /* borrowed strings in a borrowed list */

	if (!wanted || !str_equal(wanted->source, "disk:" SERIAL) || !str_equal(wanted->type, TYPE))
		return false;
	list = (struct strv){.items = wanted->options, .count = wanted->n_options};
	mount_options_parse(&list, &options);
	return str_equal(options.data, data) && !options.propagation &&
	       options.flags == (how == READ_ONLY ? MS_RDONLY : 0);
}

bool early_root_take(struct guest *guest, const Coracle__Agent__V1__Filesystem *wanted, const char *target)
{
	uint8_t how = NOT_THERE;
	bool taken;

	if (guest->early_root < 0)
		return false;
	(void)!read(guest->early_root, &how, 1);
	close_fd(&guest->early_root);
	taken = how != NOT_THERE && is_wanted(how, wanted) && mount(PLACE, target, NULL, MS_MOVE, NULL) == 0;
	if (how != NOT_THERE && !taken)
		umount2(PLACE, UMOUNT_NOFOLLOW);
	rmdir(PLACE);
	return taken;
}
