/* SPDX-License-Identifier: Apache-2.0 */
/* Groups are folders: made, written to, removed. Which ones is read from /proc/self/cgroup (cgroups(7)); hierarchies are looked for where
 * every distribution mounts them. */
#include "shim/cgroup.h"

#include "base/file.h"
#include "shim/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define ROOT   "/sys/fs/cgroup"
#define PREFIX "coracle-"

/* Of version 1, the controllers that count or limit what a VMM uses. */
static bool wanted(const char *controllers)
{
	static const char *const used[] = {"memory", "cpu", "cpuacct", "pids", "blkio"};
	_strv_ struct strv parts = strv_split(controllers, ',');

	for (size_t i = 0; i < ARRAY_SIZE(used); i++)
		if (strv_contains(&parts, used[i]))
			return true;
	return false;
}

char *cgroup_folder(const char *line, const char *root)
{
	const char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;
	_free_ char *controllers = NULL, *unified = NULL;

	/* A path with ".." lies outside what this cgroup namespace shows. */
	if (!second || second[1] != '/' || strstr(second, "/.."))
		return NULL;
	controllers = xstrndup(first + 1, (size_t)(second - first - 1));
	if (*controllers)
		return wanted(controllers) ? str_format("%s/%s%s", root, controllers, second + 1) : NULL;
	unified = str_format("%s/unified/cgroup.procs", root);
	return str_format("%s%s%s", root, access(unified, F_OK) == 0 ? "/unified" : "", second + 1);
}

/* rmdir takes only empty groups, so that a live shim's stays. */
static void sweep(const char *parent)
{
	_dir_ DIR *dir = opendir(parent);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (str_after(entry->d_name, PREFIX))
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
}

static int write_number(const char *path, uint64_t number)
{
	_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	char text[24];
	int length = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)number);

	if (fd < 0)
		return -errno;
	return write(fd, text, (size_t)length) == length ? 0 : -errno;
}

static int write_pid(const char *folder, pid_t pid)
{
	_free_ char *path = str_format("%s/cgroup.procs", folder);

	return write_number(path, (uint64_t)pid);
}

char *cgroup_memory_file(const char *folder)
{
	static const char *const names[] = {"memory.max", "memory.limit_in_bytes"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_free_ char *path = str_format("%s/%s", folder, names[i]);

		if (access(path, F_OK) == 0)
			return steal_ptr(path);
	}
	return NULL;
}

/* With the caller in it: another shim's sweep takes an empty group away, so that it may have to be made again. */
static int make_one(const char *parent, const char *name, struct cgroup *cgroup)
{
	_free_ char *path = str_format("%s/" PREFIX "%s", parent, name);
	int r = -ENOENT;

	for (int tries = 0; tries < 5 && (r == -ENOENT || r == -ENODEV); tries++)
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : write_pid(path, getpid());
	if (r < 0) {
		rmdir(path);
		return r;
	}
	strv_add(&cgroup->paths, path);
	strv_add(&cgroup->parents, parent);
	return 0;
}

void cgroup_step_out(void)
{
	_free_ char *text = NULL;
	_strv_ struct strv lines = {0};
	const char *line;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) < 0)
		return;
	lines = strv_split(text, '\n');
	strv_foreach (&lines, i, line) {
		_free_ char *folder = cgroup_folder(line, ROOT);
		char *name = folder ? strrchr(folder, '/') : NULL;

		if (!name || !str_after(name, "/" PREFIX))
			continue;
		*name = '\0';
		write_pid(folder, getpid());
	}
}

int cgroup_make(const char *name, pid_t below, struct cgroup *ret, struct cor_error *err)
{
	_free_ char *path = below ? str_format("/proc/%d/cgroup", (int)below) : xstrdup("/proc/self/cgroup");
	_free_ char *text = NULL;
	_strv_ struct strv lines = {0};
	struct cgroup cgroup = {0};
	const char *line;
	int r = file_read(AT_FDCWD, path, 65536, &text, NULL), failed = -ENOENT;

	if (r < 0)
		return cor_fail_errno(err, r, "no cgroup");
	lines = strv_split(text, '\n');
	strv_foreach (&lines, i, line) {
		_free_ char *parent = cgroup_folder(line, ROOT);

		if (!parent)
			continue;
		sweep(parent);
		failed = make_one(parent, name, &cgroup) ?: failed;
	}
	if (!cgroup.paths.count)
		return cor_fail_errno(err, failed, "no cgroup");
	*ret = cgroup;
	return 0;
}

static void add(int pid, void *context)
{
	const struct cgroup *cgroup = context;
	const char *path;

	strv_foreach (&cgroup->paths, i, path)
		write_pid(path, pid);
}

void cgroup_add_descendants(struct cgroup *cgroup)
{
	descendants_visit(add, cgroup);
}

int cgroup_limit_memory(const struct cgroup *cgroup, uint64_t bytes)
{
	const char *folder;
	int r = -ENOENT;

	strv_foreach (&cgroup->paths, i, folder) {
		_free_ char *path = cgroup_memory_file(folder);

		if (path)
			r = write_number(path, bytes);
	}
	return r;
}

void cgroup_leave(struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->paths.count; i++) {
		write_pid(cgroup->parents.items[i], getpid());
		rmdir(cgroup->paths.items[i]);
	}
	strv_release(&cgroup->paths);
	strv_release(&cgroup->parents);
}
