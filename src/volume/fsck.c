/* SPDX-License-Identifier: Apache-2.0 */
/* The child's root is an empty file system in memory, with the folders of programs and the one disk bound into it. Root's child becomes a user that nobody else is, who owns the disk meanwhile;
 * an ordinary user's gets a user namespace. Where namespaces cannot be had, the system call filter and the limits are what is left, and a message says so. */
#include "volume/fsck.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHECK_UID  2016777216u /* above those of VMMs */
#define MEMORY_MAX (UINT64_C(2) << 30)
#define TEXT_MAX   65536u /* of what e2fsck says; the rest is read and thrown away */
#define DISK_FD    3
#define ROOT       "/tmp"
#define DISK       "/disk"
#define DISK_NO_NS "/proc/self/fd/3"

/* ---- the superblock (ext4 documentation, "Super Block") ---- */

#define SUPER_AT        1024
#define MAGIC_AT        0x38
#define STATE_AT        0x3a
#define COMPAT_AT       0x5c
#define INCOMPAT_AT     0x60
#define MAGIC           0xef53u
#define STATE_VALID     1u
#define STATE_ERROR     2u
#define COMPAT_JOURNAL  4u
#define INCOMPAT_REPLAY 4u

int disk_state_read(int fd, struct disk_state *ret, struct cor_error *err)
{
	uint8_t super[256];
	uint16_t magic, state;
	uint32_t compat, incompat;

	if (pread(fd, super, sizeof(super), SUPER_AT) != sizeof(super))
		return cor_fail(err, COR_CORRUPT, EIO, "it cannot be read");
	memcpy(&magic, super + MAGIC_AT, sizeof(magic));
	memcpy(&state, super + STATE_AT, sizeof(state));
	memcpy(&compat, super + COMPAT_AT, sizeof(compat));
	memcpy(&incompat, super + INCOMPAT_AT, sizeof(incompat));
	*ret = (struct disk_state){.formatted = le16toh(magic) == MAGIC,
				   .journal = le32toh(compat) & COMPAT_JOURNAL,
				   .replay = le32toh(incompat) & INCOMPAT_REPLAY};
	ret->doubtful = (le16toh(state) & STATE_ERROR) || !(le16toh(state) & STATE_VALID);
	return 0;
}

/* ---- the child ---- */

static int write_text(const char *path, const char *text)
{
	_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/* As an ordinary user: the same user, in a namespace where mounting is allowed. */
static int enter_user_namespace(uid_t uid, gid_t gid)
{
	char users[32], groups[32];

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	return write_text("/proc/self/setgroups", "deny") ?: write_text("/proc/self/uid_map", users)
		?: write_text("/proc/self/gid_map", groups);
}

static int bind_folder(const char *path)
{
	_free_ char *target = str_format(ROOT "%s", path);
	struct stat st;
	char link[256];
	ssize_t n;

	if (lstat(path, &st) < 0)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		n = readlink(path, link, sizeof(link) - 1);
		link[MAX(n, 0)] = '\0';
		return n > 0 && symlink(link, target) == 0 ? 0 : -errno;
	}
	if (mkdir(target, 0755) < 0 || mount(path, target, NULL, MS_BIND | MS_REC, NULL) < 0)
		return -errno;
	/* In a user namespace what was locked stays locked, so that this may be refused; there is nothing there that this user could write to and not read. */
	(void)mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL);
	return 0;
}

static int bind_file(const char *path, const char *target)
{
	int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return mount(path, target, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

/* The disk again, by its path: only what was opened in a mount namespace can be bound in it. */
static int open_again(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink(DISK_NO_NS, path, sizeof(path) - 1);
	struct stat was, is;
	int fd;

	path[MAX(n, 0)] = '\0';
	fd = n > 0 ? open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd >= 0 && fstat(DISK_FD, &was) == 0 && fstat(fd, &is) == 0 && was.st_dev == is.st_dev &&
	    was.st_ino == is.st_ino)
		return fd;
	close_fd(&fd);
	return -ESTALE;
}

/* Everything of the host's but programs, libraries and the disk is gone after this. */
static int enter_root(void)
{
	static const char *const folders[] = {"/usr", "/lib", "/lib64", "/bin", "/sbin"};
	_free_ char *disk_path = NULL;
	int r = 0, disk;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	disk = open_again();
	if (disk < 0)
		return disk;
	disk_path = str_format("/proc/self/fd/%d", disk);
	if (mount("none", ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = bind_folder(folders[i]);
	r = r ?: bind_file("/dev/null", ROOT "/null");
	r = r ?: bind_file(disk_path, ROOT DISK);
	close(disk);
	if (r < 0)
		return r;
	if (mkdir(ROOT "/dev", 0755) < 0 || symlink("/null", ROOT "/dev/null") < 0 || chdir(ROOT) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int limit(unsigned seconds)
{
	const struct {
		int what;
		rlim_t value;
	} limits[] = {{RLIMIT_AS, MEMORY_MAX}, {RLIMIT_CPU, seconds}, {RLIMIT_CORE, 0}, {RLIMIT_NOFILE, 64}};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (setrlimit((__rlimit_resource_t)limits[i].what,
			      &(struct rlimit){limits[i].value, limits[i].value}) < 0)
			return -errno;
	return 0;
}

/* What e2fsck and its libraries do; everything else fails. */
static int filter(void)
{
	static const char *const calls[] = {
		"access",
		"clone",
		"clone3",
		"arch_prctl",
		"brk",
		"clock_gettime",
		"close",
		"execve",
		"exit",
		"exit_group",
		"faccessat",
		"faccessat2",
		"fadvise64",
		"fallocate",
		"fcntl",
		"fdatasync",
		"fstat",
		"fsync",
		"ftruncate",
		"futex",
		"getcwd",
		"getegid",
		"geteuid",
		"getgid",
		"getpid",
		"getrandom",
		"getrusage",
		"gettid",
		"gettimeofday",
		"getuid",
		"ioctl",
		"lseek",
		"lstat",
		"madvise",
		"mmap",
		"mprotect",
		"mremap",
		"munmap",
		"newfstatat",
		"open",
		"openat",
		"pread64",
		"prlimit64",
		"pwrite64",
		"read",
		"readlink",
		"readlinkat",
		"rseq",
		"rt_sigaction",
		"rt_sigprocmask",
		"rt_sigreturn",
		"sched_getaffinity",
		"sched_yield",
		"set_robust_list",
		"set_tid_address",
		"stat",
		"statfs",
		"statx",
		"sysinfo",
		"tgkill",
		"time",
		"times",
		"uname",
		"write",
		"writev",
	};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++) {
		int number = seccomp_syscall_resolve_name(calls[i]);

		if (number >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
	}
	r = r ?: seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

_Noreturn static void child(int disk, int out, enum fsck_mode mode, unsigned seconds)
{
	char *const environment[] = {(char[]){"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}, (char[]){"LC_ALL=C"},
				     NULL};
	static const char *const words[][4] = {[FSCK_LOOK] = {"-f", "-n"},
					       [FSCK_REPLAY] = {"-p", "-E", "journal_only"},
					       [FSCK_REPAIR] = {"-f", "-y"}};
	char *argv[7] = {(char[]){"e2fsck"}};
	bool root = geteuid() == 0;
	uid_t uid = root ? CHECK_UID : getuid();
	gid_t gid = root ? CHECK_UID : getgid();
	int r, null = open("/dev/null", O_RDWR), walls;

	for (size_t i = 0; words[mode][i]; i++)
		argv[i + 1] = (char *)(uintptr_t)words[mode][i];
	/* Its own copy first, so that no number is overwritten before it was used. */
	disk = fcntl(disk, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(disk, DISK_FD) < 0)
		_exit(126);
	syscall(SYS_close_range, DISK_FD + 1, ~0u, 0);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	walls = root ? 0 : enter_user_namespace(uid, gid);
	walls = walls ?: enter_root();
	if (walls < 0)
		dprintf(1, "no walls around e2fsck: %s\n", strerror(-walls));
	argv[words[mode][2] ? 4 : 3] = walls < 0 ? (char[]){DISK_NO_NS} : (char[]){DISK};
	r = limit(seconds);
	if (r == 0 && root &&
	    (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0))
		r = -errno;
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	r = r ?: filter();
	if (r == 0) {
		execve("/usr/sbin/e2fsck", argv, environment);
		execve("/sbin/e2fsck", argv, environment);
		r = -errno;
	}
	dprintf(1, "cannot run e2fsck: %s\n", strerror(-r));
	_exit(r == -ENOENT ? 127 : 126);
}

/* ---- its parent ---- */

/* Reads what it says until it ends; kills it when it takes too long. The status as of waitpid, or -errno. */
static int await(pid_t pid, int out, unsigned seconds, char *text, int *ret_status)
{
	uint64_t until = clock_monotonic_ns() + seconds * UINT64_C(1000000000);
	size_t size = 0;
	char rest[4096];
	int r = 0;

	for (;;) {
		uint64_t now = clock_monotonic_ns();
		struct pollfd wait = {.fd = out, .events = POLLIN};
		bool full = size == TEXT_MAX;
		ssize_t n;

		if (now >= until || poll(&wait, 1, (int)((until - now) / 1000000) + 1) == 0) {
			kill(pid, SIGKILL);
			r = -ETIMEDOUT;
			break;
		}
		n = read(out, full ? rest : text + size, full ? sizeof(rest) : TEXT_MAX - size);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		size += full || n < 0 ? 0 : (size_t)n;
	}
	text[size] = '\0';
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return r;
}

/* What it found, or did: the exit status is a sum of bits (e2fsck(8)). */
static int judge(int status, enum fsck_mode mode, const char *text, bool *ret_repaired, struct cor_error *err)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (str_after(text, "no walls"))
		log_warning("%.*s", (int)strcspn(text, "\n"), text);
	log_debug("e2fsck: status %d: %s", status, text);
	if (code == 127)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT,
				"it must be checked, and there is no e2fsck: install the package e2fsprogs");
	if (code == 0 || (mode != FSCK_LOOK && (code & ~3) == 0)) {
		if (ret_repaired)
			*ret_repaired = code != 0;
		return 0;
	}
	/* 8: operational error, 16: usage; a file system whose very beginning is broken is told so too. */
	return cor_fail(err, COR_CORRUPT, EUCLEAN, "its file system is damaged");
}

static int run(int fd, enum fsck_mode mode, unsigned seconds, bool *ret_repaired, struct cor_error *err)
{
	_free_ char *text = xmalloc(TEXT_MAX + 1);
	int out[2], status = 0, r;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "pipe");
	pid = fork();
	if (pid == 0)
		child(fd, out[1], mode, seconds);
	close(out[1]);
	r = pid < 0 ? -errno : await(pid, out[0], seconds, text, &status);
	close(out[0]);
	if (r == -ETIMEDOUT)
		return cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
				"its file system was not checked within %u seconds", seconds);
	return r < 0 ? cor_fail_errno(err, r, "check its file system")
		     : judge(status, mode, text, ret_repaired, err);
}

int volume_fsck(int fd, enum fsck_mode mode, unsigned seconds, bool *ret_repaired, struct cor_error *err)
{
	bool root = geteuid() == 0;
	int r;

	/* The child opens it by its own rights. A crash in between leaves it with the other owner, which no one minds: who opens it for machines is root. */
	if (root && fchown(fd, CHECK_UID, (gid_t)-1) < 0)
		return cor_fail_errno(err, errno, "its disk");
	r = run(fd, mode, seconds, ret_repaired, err);
	if (root)
		(void)!fchown(fd, 0, (gid_t)-1);
	return r;
}
