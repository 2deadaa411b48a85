/* SPDX-License-Identifier: Apache-2.0 */
/* Files of cgroup2 (Documentation/admin-guide/cgroup-v2.rst of Linux). Numbers come from the kernel and are read leniently. */
#include "init/cgroup.h"

#include "base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>

#define ROOT     "/sys/fs/cgroup"
#define FILE_MAX ((size_t)1 << 20)

static int put(int group, const char *file, const char *text)
{
	_fd_ int fd = openat(group, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

static char *get(int group, const char *file)
{
	char *text = NULL;

	return file_read(group, file, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

/* The prefix keeps names apart from the kernel's own file names. */
static char *group_path(const char *name)
{
	return str_format(ROOT "/coracle-%s", name);
}

void cgroup_enable_controllers(void)
{
	_fd_ int root = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_free_ char *names = get(root, "cgroup.controllers");
	_strv_ struct strv list = {0};
	const char *name;

	if (!names)
		return;
	names[strcspn(names, "\n")] = '\0';
	list = strv_split(names, ' ');
	strv_foreach (&list, i, name) {
		_free_ char *text = str_format("+%s", name);

		(void)put(root, "cgroup.subtree_control", text);
	}
}

/* ---- limits ---- */

static int put_number(int group, const char *file, int64_t value, struct cor_error *err)
{
	_free_ char *text = value < 0 ? xstrdup("max") : str_format("%" PRId64, value);
	int r = put(group, file, text);

	return r < 0 ? cor_fail_errno(err, r, "%s = %s", file, text) : 0;
}

static int put_text(int group, const char *file, const char *text, struct cor_error *err)
{
	int r = str_empty(text) ? 0 : put(group, file, text);

	return r < 0 ? cor_fail_errno(err, r, "%s = %s", file, text) : 0;
}

static int limit_memory(int group, const struct oci_resources *limits, struct cor_error *err)
{
	int r = 0;

	if (limits->memory_limit)
		r = put_number(group, "memory.max", limits->memory_limit, err);
	if (r == 0 && limits->memory_reservation)
		r = put_number(group, "memory.low",
			       limits->memory_reservation < 0 ? 0 : limits->memory_reservation, err);
	/* The specification counts memory and swap together; a kernel without swap lacks the file. */
	if (r == 0 && limits->memory_swap > 0 && limits->memory_limit > 0 &&
	    faccessat(group, "memory.swap.max", F_OK, 0) == 0)
		r = put_number(group, "memory.swap.max",
			       MAX(limits->memory_swap - limits->memory_limit, (int64_t)0), err);
	return r;
}

static int limit_cpu(int group, const struct oci_resources *limits, struct cor_error *err)
{
	int64_t period = limits->cpu_period > 0 ? limits->cpu_period : 100000;
	int r = 0;

	if (limits->cpu_quota > 0) {
		_free_ char *text = str_format("%" PRId64 " %" PRId64, limits->cpu_quota, period);

		r = put_text(group, "cpu.max", text, err);
	}
	/* Shares 2 to 262144 become weights 1 to 10000, as every OCI runtime does it. */
	if (r == 0 && limits->cpu_shares) {
		uint64_t shares = MIN(MAX(limits->cpu_shares, (uint64_t)2), (uint64_t)262144);

		r = put_number(group, "cpu.weight", (int64_t)(1 + (shares - 2) * 9999 / 262142), err);
	}
	r = r ?: put_text(group, "cpuset.cpus", limits->cpus, err);
	return r ?: put_text(group, "cpuset.mems", limits->mems, err);
}

int cgroup_limit(int group, const struct oci_resources *limits, struct cor_error *err)
{
	int r = limit_memory(group, limits, err);

	r = r ?: limit_cpu(group, limits, err);
	if (r == 0 && limits->pids_limit)
		r = put_number(group, "pids.max", limits->pids_limit, err);
	return r < 0 ? cor_context(err, r, "control group") : 0;
}

int cgroup_make(const char *name, const struct oci_resources *limits, int *ret_fd, struct cor_error *err)
{
	_free_ char *path = group_path(name);
	_fd_ int group = -1;
	int r;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return cor_fail_errno(err, errno, "control group");
	group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		return cor_fail_errno(err, errno, "control group");
	r = cgroup_limit(group, limits, err);
	if (r < 0) {
		rmdir(path);
		return r;
	}
	*ret_fd = steal_fd(&group);
	return 0;
}

/* Removes the groups that a container made below its own, depth first. */
static int remove_groups(int parent, const char *name)
{
	_fd_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	steal_fd(&fd);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_groups(dirfd(dir), entry->d_name);
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int cgroup_remove(const char *name)
{
	_free_ char *path = group_path(name);

	return remove_groups(AT_FDCWD, path);
}

/* ---- processes ---- */

int cgroup_kill(int group)
{
	return put(group, "cgroup.kill", "1");
}

int cgroup_freeze(int group, bool freeze)
{
	return put(group, "cgroup.freeze", freeze ? "1" : "0");
}

bool cgroup_is_frozen(int group)
{
	return cgroup_keyed(group, "cgroup.events", "frozen") == 1;
}

static int append_processes(int group, pid_t **list, size_t *count)
{
	_free_ char *text = get(group, "cgroup.procs");
	char *p = text, *end;

	if (!text)
		return -EIO;
	for (;; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			return 0;
		if (pid <= 0)
			continue;
		*list = xreallocarray(*list, *count + 1, sizeof(**list));
		(*list)[(*count)++] = (pid_t)pid;
	}
}

static int walk_processes(int group, pid_t **list, size_t *count, unsigned depth)
{
	_fd_ int fd = openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r;

	if (!dir)
		return -errno;
	steal_fd(&fd);
	r = append_processes(group, list, count);
	while (r == 0 && depth && (entry = readdir(dir))) {
		_fd_ int below = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (below >= 0)
			(void)walk_processes(below, list, count, depth - 1);
	}
	return r;
}

int cgroup_processes(int group, pid_t **ret, size_t *ret_count)
{
	_free_ pid_t *list = NULL;
	size_t count = 0;
	int r = walk_processes(group, &list, &count, 16);

	if (r < 0)
		return r;
	*ret = steal_ptr(list);
	*ret_count = count;
	return 0;
}

/* ---- counters ---- */

uint64_t cgroup_number(int group, const char *file)
{
	_free_ char *text = get(group, file);

	if (!text)
		return 0;
	return str_after(text, "max") ? UINT64_MAX : strtoull(text, NULL, 10);
}

uint64_t cgroup_keyed(int group, const char *file, const char *key)
{
	_free_ char *text = get(group, file);
	_strv_ struct strv lines = {0};
	const char *line, *rest;

	if (!text)
		return 0;
	lines = strv_split(text, '\n');
	strv_foreach (&lines, i, line)
		if ((rest = str_after(line, key)) && *rest == ' ')
			return strtoull(rest, NULL, 10);
	return 0;
}

void cgroup_io(int group, uint64_t *ret_read, uint64_t *ret_written)
{
	_free_ char *text = get(group, "io.stat");

	*ret_read = *ret_written = 0;
	for (char *p = text; p && (p = strpbrk(p, "rw"));) {
		if (str_after(p, "rbytes="))
			*ret_read += strtoull(p + 7, NULL, 10);
		else if (str_after(p, "wbytes="))
			*ret_written += strtoull(p + 7, NULL, 10);
		p++;
	}
}
