/* SPDX-License-Identifier: Apache-2.0 */
/* Targets lie in file systems that strangers made, so each is resolved by the kernel with the container's root as "/" and then mounted on
 * through its descriptor: between looking and mounting nothing can be exchanged. */
#include "init/mount.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* Options that are flags of mount(2). A "no" option clears its flag. */
static const struct {
	const char *name;
	unsigned long set, clear;
} flag_options[] = {
	{"async", 0, MS_SYNCHRONOUS},
	{"atime", 0, MS_NOATIME},
	{"bind", MS_BIND, 0},
	{"defaults", 0, 0},
	{"dev", 0, MS_NODEV},
	{"diratime", 0, MS_NODIRATIME},
	{"dirsync", MS_DIRSYNC, 0},
	{"exec", 0, MS_NOEXEC},
	{"iversion", MS_I_VERSION, 0},
	{"lazytime", MS_LAZYTIME, 0},
	{"noatime", MS_NOATIME, 0},
	{"nodev", MS_NODEV, 0},
	{"nodiratime", MS_NODIRATIME, 0},
	{"noexec", MS_NOEXEC, 0},
	{"norelatime", 0, MS_RELATIME},
	{"nostrictatime", 0, MS_STRICTATIME},
	{"nosuid", MS_NOSUID, 0},
	{"rbind", MS_BIND | MS_REC, 0},
	{"relatime", MS_RELATIME, 0},
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"silent", MS_SILENT, 0},
	{"strictatime", MS_STRICTATIME, 0},
	{"suid", 0, MS_NOSUID},
	{"sync", MS_SYNCHRONOUS, 0},
};

static const struct {
	const char *name;
	unsigned long flags;
} propagations[] = {
	{"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
	{"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
	{"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
	{"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

#define PER_MOUNT_FLAGS                                                                                      \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME)

static bool parse_flag(const char *option, struct mount_options *options)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_options); i++)
		if (strcmp(option, flag_options[i].name) == 0) {
			options->flags = (options->flags & ~flag_options[i].clear) | flag_options[i].set;
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++)
		if (strcmp(option, propagations[i].name) == 0) {
			options->propagation = propagations[i].flags;
			return true;
		}
	return false;
}

void mount_options_parse(const struct strv *options, struct mount_options *ret)
{
	_strv_ struct strv data = {0};
	const char *option;

	*ret = (struct mount_options){0};
	strv_foreach (options, i, option)
		if (*option && !parse_flag(option, ret))
			strv_add(&data, option);
	if (data.count)
		ret->data = strv_join(&data, ",");
}

void mount_options_release(struct mount_options *options)
{
	free(options->data);
	options->data = NULL;
}

/* ---- disks ---- */

static bool has_serial(const char *disk, const char *serial)
{
	_free_ char *path = str_format("/sys/block/%s/serial", disk);
	_free_ char *text = NULL;

	/* Files in /sys claim a page. */
	if (file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, serial) == 0;
}

int disk_find(const char *serial, char **ret_path)
{
	_dir_ DIR *disks = opendir("/sys/block");
	struct dirent *entry;

	if (!*serial)
		return -EINVAL;
	if (!disks)
		return -errno;
	while ((entry = readdir(disks)))
		if (entry->d_name[0] != '.' && has_serial(entry->d_name, serial)) {
			*ret_path = str_format("/dev/%s", entry->d_name);
			return 0;
		}
	return -ENODEV;
}

void disk_forget(const char *device)
{
	_fd_ int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		ioctl(fd, BLKFLSBUF, 0);
}

static int find_source(const char *source, char **ret, struct cor_error *err)
{
	const char *rest;
	int r;

	if ((rest = str_after(source, "disk:"))) {
		r = disk_find(rest, ret);
		if (r == 0)
			disk_forget(*ret);
		return r < 0 ? cor_fail(err, COR_NOT_FOUND, r, "this machine has no disk '%.64s'", rest) : 0;
	}
	rest = str_after(source, "share:");
	*ret = xstrdup(rest ? rest : source);
	return 0;
}

/* ---- targets ---- */

/* Opens one directory of a path, the parents of which exist. */
static int open_directory(int root, const char *path)
{
	_fd_ int parent = -1;
	const char *slash = strrchr(path, '/');
	_free_ char *above = slash ? xstrndup(path, (size_t)(slash - path)) : NULL;
	int fd = open_in_root(root, path, O_PATH | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	parent = open_in_root(root, str_empty(above) ? "." : above, O_PATH | O_DIRECTORY, 0);
	if (parent < 0)
		return parent;
	if (mkdirat(parent, slash ? slash + 1 : path, 0755) < 0 && errno != EEXIST)
		return -errno;
	return open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
}

static int open_file(int root, const char *path, const char *name)
{
	_fd_ int parent = open_in_root(root, str_empty(path) ? "." : path, O_PATH | O_DIRECTORY, 0);
	_fd_ int created = -1;
	_free_ char *whole = str_format("%s/%s", path, name);

	if (parent < 0)
		return parent;
	created = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (created < 0 && errno != EEXIST)
		return -errno;
	return open_in_root(root, whole, O_PATH, 0);
}

int mount_target_open(int root, const char *path, bool directory)
{
	_strv_ struct strv parts = strv_split(path, '/');
	_free_ char *prefix = xstrdup("");
	const char *last = NULL, *part;
	size_t count = 0;
	int fd = open_in_root(root, path, O_PATH | (directory ? O_DIRECTORY : 0), 0);

	if (fd != -ENOENT)
		return fd;
	strv_foreach (&parts, i, part)
		if (*part && strcmp(part, ".") != 0) {
			last = part;
			count = i;
		}
	if (!last || strv_contains(&parts, ".."))
		return -EINVAL;
	strv_foreach (&parts, i, part) {
		char *longer;

		if (!*part || strcmp(part, ".") == 0)
			continue;
		if (i == count && !directory)
			return open_file(root, prefix, last);
		longer = str_format("%s/%s", prefix, part);
		free(prefix);
		prefix = longer;
		fd = open_directory(root, prefix);
		if (fd < 0 || i == count)
			return fd;
		close(fd);
	}
	return -EINVAL;
}

/* ---- mounting ---- */

static char *fd_path(int fd)
{
	return str_format("/proc/self/fd/%d", fd);
}

/* A bind takes its flags only when it is mounted a second time; the target's descriptor is then the one on top. */
static int finish_mount(int root, const char *path, const struct mount_options *options)
{
	_fd_ int fd = -1;
	_free_ char *target = NULL;
	unsigned long flags = options->flags & PER_MOUNT_FLAGS;
	bool again = (options->flags & MS_BIND) && flags;

	if (!again && !options->propagation)
		return 0;
	fd = open_in_root(root, path, O_PATH, 0);
	if (fd < 0)
		return fd;
	target = fd_path(fd);
	if (again && mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		return -errno;
	if (options->propagation && mount(NULL, target, NULL, options->propagation, NULL) < 0)
		return -errno;
	return 0;
}

static int bind_at(int root, const char *path, const char *source, const struct mount_options *options,
		   struct cor_error *err)
{
	_fd_ int from = open(source, O_PATH | O_CLOEXEC), to = -1;
	_free_ char *from_path = fd_path(from), *to_path = NULL;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return cor_fail_errno(err, errno, "mount %.128s: source '%.128s'", path, source);
	to = mount_target_open(root, path, S_ISDIR(st.st_mode));
	if (to < 0)
		return cor_fail_errno(err, to, "mount %.128s: the target", path);
	to_path = fd_path(to);
	if (mount(from_path, to_path, NULL, MS_BIND | (options->flags & MS_REC), NULL) < 0)
		return cor_fail_errno(err, errno, "mount %.128s: bind '%.128s'", path, source);
	return 0;
}

static int mount_new_at(int root, const char *path, const char *source, const char *type,
			const struct mount_options *options, struct cor_error *err)
{
	_fd_ int to = mount_target_open(root, path, true);
	_free_ char *to_path = fd_path(to);

	if (to < 0)
		return cor_fail_errno(err, to, "mount %.128s: the target", path);
	/* Version 1 has no place in our kernel; the specification's name for either is "cgroup". */
	if (strcmp(type, "cgroup") == 0)
		type = "cgroup2";
	if (mount(source, to_path, type, options->flags & ~(unsigned long)MS_REC, options->data) < 0)
		return cor_fail_errno(err, errno, "mount %.128s: %.32s '%.128s'", path, type, source);
	return 0;
}

int mount_at(int root, const char *path, const char *source, const char *type, const struct strv *options,
	     struct cor_error *err)
{
	_cleanup_(mount_options_release) struct mount_options parsed = {0};
	_free_ char *device = NULL;
	int r;

	mount_options_parse(options, &parsed);
	if (type && strcmp(type, "bind") == 0)
		parsed.flags |= MS_BIND;
	if (!(parsed.flags & MS_BIND) && (str_empty(type) || strcmp(type, "none") == 0))
		return cor_fail(err, COR_INVALID, EINVAL, "mount %.128s: a type is needed", path);
	r = find_source(source ? source : "none", &device, err);
	if (r < 0)
		return cor_context(err, r, "mount %.128s", path);
	if (parsed.flags & MS_BIND)
		r = bind_at(root, path, device, &parsed, err);
	else
		r = mount_new_at(root, path, device, type, &parsed, err);
	if (r < 0)
		return r;
	r = finish_mount(root, path, &parsed);
	return r < 0 ? cor_fail_errno(err, r, "mount %.128s: options", path) : 0;
}
