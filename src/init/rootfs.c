/* SPDX-License-Identifier: Apache-2.0 */
/* Everything happens in the new mount name space, so that it vanishes with the container's last process. The order is that of
 * the runtime specification; protection comes last, since what it forbids is needed on the way. */
#include "init/rootfs.h"

#include "base/file.h"
#include "init/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* ---- devices ---- */

/* What every container has (config-linux.md, Default Devices). */
static const struct oci_device default_devices[] = {
	{(char *)"/dev/null", 'c', 1, 3, 0666, 0, 0},    {(char *)"/dev/zero", 'c', 1, 5, 0666, 0, 0},
	{(char *)"/dev/full", 'c', 1, 7, 0666, 0, 0},    {(char *)"/dev/random", 'c', 1, 8, 0666, 0, 0},
	{(char *)"/dev/urandom", 'c', 1, 9, 0666, 0, 0}, {(char *)"/dev/tty", 'c', 5, 0, 0666, 0, 0},
};

static const struct {
	const char *name, *target;
} device_links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

static int make_device(int root, const struct oci_device *device, struct cor_error *err)
{
	const char *slash = strrchr(device->path, '/');
	_free_ char *above = xstrndup(device->path, (size_t)(slash - device->path));
	_fd_ int parent = mount_target_open(root, *above ? above : "/", true);
	mode_t type = device->type == 'c' ? S_IFCHR : device->type == 'b' ? S_IFBLK : S_IFIFO;
	const char *name = slash + 1;

	if (parent < 0)
		return cor_fail_errno(err, parent, "device %.128s", device->path);
	if (!*name || strcmp(name, "..") == 0)
		return cor_fail(err, COR_INVALID, EINVAL, "device %.128s: no name", device->path);
	/* An image may have something there; what the container opens is ours. */
	if (mknodat(parent, name, type | device->mode, makedev(device->major, device->minor)) < 0) {
		if (errno != EEXIST)
			return cor_fail_errno(err, errno, "device %.128s", device->path);
		if (unlinkat(parent, name, 0) < 0 ||
		    mknodat(parent, name, type | device->mode, makedev(device->major, device->minor)) < 0)
			return cor_fail_errno(err, errno, "device %.128s", device->path);
	}
	/* The umask is zero here. */
	if (fchownat(parent, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_fail_errno(err, errno, "device %.128s", device->path);
	return 0;
}

static int make_devices(int root, const struct oci_spec *spec, struct cor_error *err)
{
	_fd_ int dev = mount_target_open(root, "/dev", true);
	int r = 0;

	if (dev < 0)
		return cor_fail_errno(err, dev, "/dev");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(default_devices); i++)
		r = make_device(root, &default_devices[i], err);
	for (size_t i = 0; r == 0 && i < spec->device_count; i++)
		r = make_device(root, &spec->devices[i], err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(device_links); i++)
		if (symlinkat(device_links[i].target, dev, device_links[i].name) < 0 && errno != EEXIST)
			r = cor_fail_errno(err, errno, "/dev/%s", device_links[i].name);
	return r;
}

/* True when the specification mounts something on /dev that is not the image's or the host's. */
static bool has_own_dev(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (strcmp(spec->mounts[i].target, "/dev") == 0)
			return str_equal(spec->mounts[i].type, "tmpfs");
	return false;
}

/* ---- entering ---- */

static int mount_all(int root, const struct oci_spec *spec, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->mount_count; i++) {
		const struct oci_mount *m = &spec->mounts[i];

		r = mount_at(root, m->target, m->source, m->type, &m->options, err);
	}
	return r;
}

/* The working directory of an image may be missing in it; a read-only root has it or chdir says so. */
static void make_cwd(int root, const char *cwd)
{
	int fd = mount_target_open(root, cwd, true);

	if (fd >= 0)
		close(fd);
}

/* pivot_root(2): with both arguments the same the old root lies over the new one and can be taken off. */
static int pivot(int root, struct cor_error *err)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return cor_fail_errno(err, errno, "enter the root file system");
	return 0;
}

int rootfs_enter(const struct oci_spec *spec, const char *root, const char *cwd, struct cor_error *err)
{
	_fd_ int fd = -1;
	mode_t mask = umask(0);
	int r;

	/* Nothing that is mounted here may be seen outside. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return cor_fail_errno(err, errno, "a private mount name space");
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cor_fail_errno(err, errno, "the root file system");
	r = mount_all(fd, spec, err);
	if (r == 0 && has_own_dev(spec))
		r = make_devices(fd, spec, err);
	if (r < 0)
		return r;
	make_cwd(fd, cwd);
	umask(mask);
	return pivot(fd, err);
}

/* ---- protecting ---- */

static int set_sysctl(const struct oci_sysctl *sysctl, struct cor_error *err)
{
	_free_ char *path = str_format("/proc/sys/%s", sysctl->name);
	_fd_ int fd = -1;

	/* Dots separate; slashes too, for names that hold dots themselves (interfaces). */
	if (!strchr(sysctl->name, '/'))
		for (char *p = path + strlen("/proc/sys/"); *p; p++)
			if (*p == '.')
				*p = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, sysctl->value, strlen(sysctl->value)) < 0)
		return cor_fail_errno(err, errno, "sysctl %.128s", sysctl->name);
	return 0;
}

static int mask_path(const char *path, struct cor_error *err)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : cor_fail_errno(err, errno, "hide %.128s", path);
	if (S_ISDIR(st.st_mode))
		r = mount("tmpfs", path, "tmpfs", MS_RDONLY, "size=0");
	else
		r = mount("/dev/null", path, NULL, MS_BIND, NULL);
	return r < 0 ? cor_fail_errno(err, errno, "hide %.128s", path) : 0;
}

static int make_readonly(const char *path, struct cor_error *err)
{
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : cor_fail_errno(err, errno, "protect %.128s", path);
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) < 0)
		return cor_fail_errno(err, errno, "protect %.128s", path);
	return 0;
}

int rootfs_protect(const struct oci_spec *spec, struct cor_error *err)
{
	const char *path;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->sysctl_count; i++)
		r = set_sysctl(&spec->sysctls[i], err);
	strv_foreach (&spec->readonly_paths, i, path)
		if (r == 0)
			r = make_readonly(path, err);
	strv_foreach (&spec->masked_paths, i, path)
		if (r == 0)
			r = mask_path(path, err);
	if (r == 0 && spec->root_readonly &&
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		r = cor_fail_errno(err, errno, "make the root file system read-only");
	return r;
}

int rootfs_bind_console(const char *terminal, struct cor_error *err)
{
	_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_fd_ int console = root < 0 ? -1 : mount_target_open(root, "/dev/console", false);
	_free_ char *target = str_format("/proc/self/fd/%d", console);

	if (console < 0)
		return cor_fail_errno(err, console, "/dev/console");
	if (mount(terminal, target, NULL, MS_BIND, NULL) < 0)
		return cor_fail_errno(err, errno, "/dev/console");
	return 0;
}
