/* SPDX-License-Identifier: Apache-2.0 */
/* The child's root is an empty file system in memory, with the folders of programs and the one disk bound into it. Root's child becomes a user that nobody else is, who owns the disk meanwhile;
 * an ordinary user's gets a user namespace. Where namespaces cannot be had nothing is checked. Between the parent and e2fsck, which is the first process of a PID namespace, a keeper waits: when
 * the parent dies or kills it, e2fsck dies, and with it all that it may have started. */
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

#define CHECK_UID  2033554432u /* above those of VMMs and of passt: shim/saved.h says where each begins */
#define MEMORY_MAX (UINT64_C(2) << 30)
#define TEXT_MAX   65536u /* of what e2fsck says; the rest is read and thrown away */
#define DISK_FD    3
#define PARENT_FD  4
#define ROOT       "/tmp"
#define DISK       "/disk"
#define DISK_PROC  "/proc/self/fd/3"
#define GRACE_MS   5000 /* for what was killed */

/* Exit statuses that e2fsck does not have (e2fsck(8): a sum of bits without 64). */
#define NO_PROGRAM 64
#define NO_WALLS   65
#define NO_CHILD   66
#define KILLED     67

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
	ssize_t n = readlink(DISK_PROC, path, sizeof(path) - 1);
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

static int limit(unsigned seconds, off_t size)
{
	const struct {
		int what;
		rlim_t value;
	} limits[] = {{RLIMIT_AS, MEMORY_MAX},
		      {RLIMIT_CPU, seconds},
		      {RLIMIT_CORE, 0},
		      {RLIMIT_NOFILE, 64},
		      {RLIMIT_FSIZE, (rlim_t)size}};

	/* A file system that says that it is larger than its disk would make it so. */
	if (signal(SIGXFSZ, SIG_DFL) == SIG_ERR)
		return -errno;
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
	/* Threads, but no processes. What clone3 makes cannot be told from here; the C library then takes clone. */
	r = r
		    ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	r = r ?: seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

static int drop_rights(void)
{
	const uid_t id = CHECK_UID;

	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* Other ids take that wish away, so that this comes after them. Who is gone already has no death to be told of. */
static int die_with(int pidfd)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0) == 0 ? 0 : -ESRCH;
}

_Noreturn static void check(enum fsck_mode mode, unsigned seconds, int keeper)
{
	char *const environment[] = {(char[]){"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}, (char[]){"LC_ALL=C"},
				     NULL};
	static const char *const words[][4] = {[FSCK_LOOK] = {"-f", "-n"},
					       [FSCK_REPLAY] = {"-p", "-E", "journal_only"},
					       [FSCK_REPAIR] = {"-f", "-y"}};
	char *argv[7] = {(char[]){"e2fsck"}};
	struct stat st;
	size_t count = 1;
	int r = enter_root();

	if (r < 0) {
		dprintf(1, "%s\n", strerror(-r));
		_exit(NO_WALLS);
	}
	for (size_t i = 0; words[mode][i]; i++)
		argv[count++] = (char *)(uintptr_t)words[mode][i];
	argv[count] = (char[]){DISK};
	r = fstat(DISK_FD, &st) < 0 ? -errno : drop_rights();
	r = r ?: die_with(keeper);
	close(keeper);
	r = r ?: filter();
	/* At last: what the filter is made with may need more. */
	r = r ?: limit(seconds, st.st_size);
	if (r == 0) {
		execve("/usr/sbin/e2fsck", argv, environment);
		execve("/sbin/e2fsck", argv, environment);
		r = -errno;
	}
	dprintf(1, "cannot run e2fsck: %s\n", strerror(-r));
	_exit(r == -ENOENT ? NO_PROGRAM : NO_CHILD);
}

_Noreturn static void keep(int disk, int out, int parent, enum fsck_mode mode, unsigned seconds)
{
	int null = open("/dev/null", O_RDWR), keeper, status, r;
	sigset_t none;
	pid_t pid;

	/* Its own copy first, so that no number is overwritten before it was used. */
	disk = fcntl(disk, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	parent = fcntl(parent, F_DUPFD, 10);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(disk, DISK_FD) < 0 ||
	    dup2(parent, PARENT_FD) < 0)
		_exit(NO_CHILD);
	syscall(SYS_close_range, PARENT_FD + 1, ~0u, 0);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
	r = geteuid() == 0 ? 0 : enter_user_namespace(geteuid(), getegid());
	if (r == 0 && unshare(CLONE_NEWPID) < 0)
		r = -errno;
	if (r < 0) {
		dprintf(1, "%s\n", strerror(-r));
		_exit(NO_WALLS);
	}
	keeper = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (keeper < 0 || die_with(PARENT_FD) < 0)
		_exit(NO_CHILD);
	close(PARENT_FD);
	pid = fork();
	if (pid == 0)
		check(mode, seconds, keeper);
	close(DISK_FD);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(NO_CHILD);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : KILLED);
}

/* ---- its parent ---- */

/* What there is to read now, behind what was read; the rest of a long text is thrown away. 0 at the end, else positive or -errno. */
static ssize_t read_text(int out, char *text, size_t *size)
{
	char rest[4096];
	bool full = *size == TEXT_MAX;
	ssize_t n = read(out, full ? rest : text + *size, full ? sizeof(rest) : TEXT_MAX - *size);

	if (n > 0 && !full)
		*size += (size_t)n;
	return n < 0 ? -errno : n;
}

/* True when it ended within that time; what it says meanwhile is read. */
static bool await(int pidfd, int out, uint64_t until, char *text, size_t *size)
{
	for (;;) {
		uint64_t now = clock_monotonic_ns();
		struct pollfd wait[] = {{.fd = pidfd, .events = POLLIN}, {.fd = out, .events = POLLIN}};
		int n = now >= until ? 0 : poll(wait, 2, (int)((until - now) / 1000000) + 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		if (wait[1].revents && read_text(out, text, size) == 0)
			out = -1; /* Who closes it need not have ended. */
		if (wait[0].revents)
			break;
	}
	while (out >= 0 && read_text(out, text, size) > 0)
		;
	return true;
}

/* What it found, or did. */
static int judge(int status, enum fsck_mode mode, const char *text, bool *ret_repaired, struct cor_error *err)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : KILLED;

	log_debug("e2fsck: status %d: %s", status, text);
	if (code == NO_PROGRAM)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT,
				"it must be checked, and there is no e2fsck: install the package e2fsprogs");
	if (code == NO_WALLS)
		return cor_fail(
			err, COR_UNSUPPORTED, EPERM,
			"it must be checked, which needs namespaces, and there are none for this user "
			"(%.*s): allow them (sysctl user.max_user_namespaces, "
			"kernel.unprivileged_userns_clone) or check it as root",
			(int)MIN(strcspn(text, "\n"), (size_t)100), text);
	if (code == NO_CHILD)
		return cor_fail(err, COR_INTERNAL, ECHILD, "its file system could not be checked: %.*s",
				(int)MIN(strcspn(text, "\n"), (size_t)200), text);
	if (code == 0 || (mode != FSCK_LOOK && (code & ~3) == 0)) {
		if (ret_repaired)
			*ret_repaired = code != 0;
		return 0;
	}
	/* 8: operational error, 16: usage; a file system whose very beginning is broken is told so too. */
	return cor_fail(err, COR_CORRUPT, EUCLEAN, "its file system is damaged");
}

/* The keeper's end, by itself or killed. *ret_status as of waitpid, or -errno. */
static int reap(pid_t pid, int out, unsigned seconds, char *text, int *ret_status)
{
	uint64_t until = clock_monotonic_ns() + seconds * UINT64_C(1000000000);
	_fd_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	size_t size = 0;
	bool ended = pidfd >= 0 && await(pidfd, out, until, text, &size);
	int r = pidfd < 0 ? -errno : ended ? 0 : -ETIMEDOUT;

	text[size] = '\0';
	if (!ended)
		kill(pid, SIGKILL);
	if (!ended && pidfd >= 0 && poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, GRACE_MS) <= 0)
		return r;
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return r;
}

static int run(int fd, enum fsck_mode mode, unsigned seconds, bool *ret_repaired, struct cor_error *err)
{
	_free_ char *text = xmalloc(TEXT_MAX + 1);
	_fd_ int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int out[2], status = 0, r;
	pid_t pid;

	if (own < 0 || pipe2(out, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "check its file system");
	(void)fd_set_nonblocking(out[0], true);
	pid = fork();
	if (pid == 0)
		keep(fd, out[1], own, mode, seconds);
	close(out[1]);
	r = pid < 0 ? -errno : reap(pid, out[0], seconds, text, &status);
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
