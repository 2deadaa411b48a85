/* SPDX-License-Identifier: Apache-2.0 */
/* Who made a namespace maps one id there by himself; more than one only the tools may, which are root's and
 * read what the user has. They are run by a process that stays outside, as soon as
 * the namespace is there. */
#include "share/owners.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID_TOOL  "/usr/bin/newuidmap"
#define GID_TOOL  "/usr/bin/newgidmap"
#define TEXT_MAX  (1u << 20)
#define ID_LENGTH 16

/* A number up to the end character. */
static bool parse_id(const char **text, char end, unsigned *ret)
{
	unsigned long long value = 0;
	const char *p = *text;

	while (*p >= '0' && *p <= '9' && value <= UINT32_MAX)
		value = value * 10 + (unsigned)(*p++ - '0');
	if (p == *text || value > UINT32_MAX || (*p != end && !(end == '\n' && *p == '\0')))
		return false;
	*text = p;
	*ret = (unsigned)value;
	return true;
}

static const char *after_owner(const char *line, const char *owner)
{
	const char *rest = str_after(line, owner);

	return rest && *rest == ':' ? rest + 1 : NULL;
}

int share_owners_range(const char *text, const char *name, uid_t uid, unsigned *ret_first,
		       unsigned *ret_count)
{
	char number[ID_LENGTH];
	unsigned first, count;

	snprintf(number, sizeof(number), "%u", uid);
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *p = after_owner(line, name) ?: after_owner(line, number);

		if (!p || !parse_id(&p, ':', &first))
			continue;
		p++;
		if (!parse_id(&p, '\n', &count) || !first || !count || count > UINT32_MAX - first)
			continue;
		*ret_first = first;
		*ret_count = count;
		return 0;
	}
	return -ENOENT;
}

static bool find_range(const char *path, const struct passwd *user, unsigned *ret_first, unsigned *ret_count)
{
	_free_ char *text = NULL;

	return file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL) == 0 &&
	       share_owners_range(text, user->pw_name, user->pw_uid, ret_first, ret_count) == 0;
}

void share_owners_find(struct share_owners *ret)
{
	const struct passwd *user;

	*ret = (struct share_owners){.uid = geteuid(), .gid = getegid()};
	if (ret->uid == 0 || access(UID_TOOL, X_OK) < 0 || access(GID_TOOL, X_OK) < 0)
		return;
	user = getpwuid(ret->uid);
	if (!user)
		return;
	if (!find_range("/etc/subuid", user, &ret->first_uid, &ret->uids) ||
	    !find_range("/etc/subgid", user, &ret->first_gid, &ret->gids))
		ret->uids = ret->gids = 0;
}

/* ---- the child, between fork and exec ---- */

static int write_text(const char *path, const char *text)
{
	_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -errno : 0;
}

static bool is_mapped(const char *path)
{
	_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

/* What is mapped already stays. */
static int map_alone(const struct share_owners *owners)
{
	char uids[32], gids[32];
	int r = 0;

	snprintf(uids, sizeof(uids), "0 %u 1", owners->uid);
	snprintf(gids, sizeof(gids), "0 %u 1", owners->gid);
	if (!is_mapped("/proc/self/uid_map"))
		r = write_text("/proc/self/uid_map", uids);
	if (r == 0 && !is_mapped("/proc/self/gid_map")) {
		r = write_text("/proc/self/setgroups", "deny");
		r = r ?: write_text("/proc/self/gid_map", gids);
	}
	return r;
}

static _Noreturn void run_tool(const char *tool, pid_t target, unsigned own, unsigned first, unsigned count)
{
	char numbers[4][ID_LENGTH];
	const unsigned values[] = {(unsigned)target, own, first, count};
	char *const args[] = {(char *)tool, numbers[0], (char *)"0", numbers[1], (char *)"1",
			      (char *)"1",  numbers[2], numbers[3],  NULL};
	static char *const no_environment[] = {NULL};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		snprintf(numbers[i], ID_LENGTH, "%u", values[i]);
	execve(tool, args, no_environment);
	dprintf(2, "%s: %s\n", tool, strerror(errno));
	_exit(127);
}

static bool ended_well(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return status == 0;
}

static _Noreturn void map(const struct share_owners *owners, pid_t target, int ready)
{
	char byte;
	pid_t pid;

	if (read(ready, &byte, 1) != 1)
		_exit(1);
	pid = fork();
	if (pid == 0)
		run_tool(UID_TOOL, target, owners->uid, owners->first_uid, owners->uids);
	if (pid < 0 || !ended_well(pid))
		_exit(1);
	run_tool(GID_TOOL, target, owners->gid, owners->first_gid, owners->gids);
}

int share_owners_enter(const struct share_owners *owners)
{
	pid_t self = getpid(), pid;
	int ends[2], r;

	if (!owners->uids)
		return unshare(CLONE_NEWUSER) < 0 ? -errno : map_alone(owners);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		map(owners, self, ends[0]);
	}
	close(ends[0]);
	r = pid < 0 || unshare(CLONE_NEWUSER) < 0 || write(ends[1], "", 1) != 1 ? -errno : 0;
	close(ends[1]);
	/* The tools may say no: without new privileges, or in a namespace that lacks the range. Then there are no other users. */
	if (pid > 0 && !ended_well(pid) && r == 0) {
		dprintf(2, "the shared directory has no users but you\n");
		r = map_alone(owners);
	}
	/* It keeps the ids that it had, which are zero there. */
	return r;
}
