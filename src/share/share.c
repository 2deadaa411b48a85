/* SPDX-License-Identifier: Apache-2.0 */
/* The child makes a mount namespace of its own, and before that, when we are no root, a user namespace in which the user is root: so whoever is root in the
 * container makes files that are the user's outside, and virtiofsd has no right that the user has not. It puts a file system in memory over /run, binds what is to be shared there,
 * from a descriptor, and executes virtiofsd, which then shuts itself into that folder.
 *
 * A descriptor that was opened before cannot be bound from: it belongs to the mount namespace that we left. So the path is opened once more and must lead to what it led to before. */
#include "share/share.h"

#include "base/file.h"
#include "base/str.h"
#include "base/unix_socket.h"
#include "share/owners.h"
#include "share/share_args.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACE      "/run"
#define FOLDER     PLACE "/share"
#define END_MS     1000
#define OPEN_FILES 1000000u /* that root's may have … */
#define FILES_PART                                                                                           \
	32 /* … but no more than such a part of what all of the host may: a guest decides how many it has */

char *share_program(void)
{
	static const char *const usual[] = {"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd",
					    "/usr/lib/virtiofsd", "/usr/local/libexec/virtiofsd"};
	const char *given = getenv(SHARE_PROGRAM_ENV);

	if (!str_empty(given))
		return access(given, X_OK) == 0 ? xstrdup(given) : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (access(usual[i], X_OK) == 0)
			return xstrdup(usual[i]);
	return NULL;
}

int share_open(const char *path, int *ret_fd, struct stat *ret_st, struct cor_error *err)
{
	_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat root;

	if (fd < 0)
		return cor_fail_errno(err, errno, "'%s' of the host", path);
	if (fstat(fd, ret_st) < 0 || stat("/", &root) < 0)
		return cor_fail_errno(err, errno, "'%s' of the host", path);
	if (!S_ISDIR(ret_st->st_mode) && !S_ISREG(ret_st->st_mode))
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%s' is a %s: only directories, files and unix sockets can be shared", path,
				S_ISFIFO(ret_st->st_mode)   ? "fifo"
				: S_ISSOCK(ret_st->st_mode) ? "socket"
							    : "device");
	if (ret_st->st_dev == root.st_dev && ret_st->st_ino == root.st_ino)
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%s' is the host's root directory, which is not shared: name the "
				"directories that the container needs",
				path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* ---- the child, between fork and exec: async-signal-safe calls only ---- */

struct child {
	const struct share_wish *wish;
	char *const *argv;
	int listen_fd, messages;
	bool root;
	rlim_t most_files;          /* of root's */
	struct share_owners owners; /* when we are no root */
	pid_t parent;
};

static rlim_t most_files(void)
{
	_free_ char *text = NULL;
	unsigned long long all = 0;

	if (file_read(AT_FDCWD, "/proc/sys/fs/file-max", 64, &text, NULL) == 0)
		all = strtoull(text, NULL, 10);
	return all ? (rlim_t)(all / FILES_PART) : OPEN_FILES;
}

/* A copy of the mounts at the path, which nobody else sees. A descriptor or -errno. */
static int take_tree(const struct share_wish *wish)
{
	struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						    (wish->read_only ? MOUNT_ATTR_RDONLY : 0),
					.propagation = MS_PRIVATE};
	_fd_ int fd = open(wish->path, O_PATH | O_CLOEXEC), tree = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != wish->st.st_dev || st.st_ino != wish->st.st_ino)
		return -ESTALE;
	tree = (int)syscall(SYS_open_tree, fd, "",
			    AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
				sizeof(attributes)) < 0)
		return -errno;
	return steal_fd(&tree);
}

/* A folder that holds the file alone, or that the directory lies upon. */
static int place_tree(int tree, bool file)
{
	const char *place = file ? FOLDER "/" SHARE_FILE : FOLDER;

	if (mount("none", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=755") < 0 ||
	    mkdir(FOLDER, 0755) < 0 || (file && mknod(place, S_IFREG | 0600, 0) < 0))
		return -errno;
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	/* The memory behind it is not to be filled. */
	return mount(NULL, PLACE, NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0
		       ? -errno
		       : 0;
}

static int confine(const struct child *child)
{
	_fd_ int tree = -1;
	int r = child->root ? 0 : share_owners_enter(&child->owners);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	tree = take_tree(child->wish);
	return tree < 0 ? tree : place_tree(tree, S_ISREG(child->wish->st.st_mode));
}

static int set_limits(const struct child *child)
{
	struct rlimit files, none = {0};

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (child->root)
		files.rlim_max = MIN(MAX(files.rlim_max, OPEN_FILES), child->most_files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == child->parent ? 0 : -ESRCH;
}

static int keep_descriptors(const struct child *child)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(child->messages, 1) < 0 || dup2(child->messages, 2) < 0)
		return -errno;
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ||
	    fcntl(child->listen_fd, F_SETFD, 0) < 0)
		return -errno;
	return 0;
}

static _Noreturn void child_main(const struct child *child)
{
	static char *const no_environment[] = {NULL};
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	r = keep_descriptors(child);
	r = r ?: confine(child);
	r = r ?: set_limits(child);
	if (r == 0) {
		execve(child->argv[0], child->argv, no_environment);
		r = -errno;
	}
	dprintf(2, "%s\n", r == -ESTALE ? "something else is there now" : strerror(-r));
	_exit(127);
}

/* ---- starting ---- */

/* A socket at which QEMU's connection waits already, and the connection. Nobody else connects: its file is gone. */
static int make_sockets(int run_dir, int *ret_listen, int *ret_vmm)
{
	static const char name[] = "share.sock";
	_fd_ int listener = -1, file = -1;
	int r;

	unlinkat(run_dir, name, 0); /* of one who was killed at this */
	r = unix_listen_at(run_dir, name, 1, &listener);
	if (r < 0)
		return r;
	file = openat(run_dir, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	r = file < 0 ? -errno : unix_connect(file, ret_vmm);
	unlinkat(run_dir, name, 0);
	if (r == 0)
		*ret_listen = steal_fd(&listener);
	return r;
}

static int spawn(const struct child *child, struct share *share)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_main(child);
	share->pid = pid;
	share->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return share->pidfd < 0 ? -errno : 0;
}

static int launch(const struct share_wish *wish, const char *program, struct share *share)
{
	_fd_ int listener = -1, writer = -1;
	_strv_ struct strv args = {0};
	struct child child;
	int ends[2], r = make_sockets(wish->run_dir, &listener, &share->vmm_fd);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	share->messages = ends[0];
	writer = ends[1];
	fd_set_nonblocking(share->messages, true);
	fd_set_nonblocking(listener, false);
	fd_set_nonblocking(share->vmm_fd, false);
	share_args(&(struct share_spec){.program = program, .folder = FOLDER, .listen_fd = listener}, &args);
	child = (struct child){.wish = wish,
			       .argv = args.items,
			       .listen_fd = listener,
			       .messages = writer,
			       .root = geteuid() == 0,
			       .most_files = most_files(),
			       .parent = getpid()};
	share_owners_find(&child.owners);
	return spawn(&child, share);
}

int share_start(const struct share_wish *wish, struct share *ret, struct cor_error *err)
{
	struct share share = SHARE_NONE;
	_free_ char *program = share_program();
	int r;

	if (!program)
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"there is no virtiofsd, which shared directories need: install the package "
				"qemu-system-common (Debian 12) or virtiofsd (later), or name the program "
				"with " SHARE_PROGRAM_ENV);
	r = launch(wish, program, &share);
	if (r < 0) {
		share_stop(&share);
		return cor_fail_errno(err, r, "start virtiofsd");
	}
	*ret = share;
	return 0;
}

void share_stop(struct share *share)
{
	struct pollfd end = {.fd = share->pidfd, .events = POLLIN};

	if (share->pid > 0) {
		/* It ends by itself when its line ends, and takes its own child with it. */
		close_fd(&share->vmm_fd);
		if (share->pidfd < 0 || poll(&end, 1, END_MS) <= 0)
			kill(share->pid, SIGKILL);
		while (waitpid(share->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(&share->pidfd);
	close_fd(&share->messages);
	close_fd(&share->vmm_fd);
	share->pid = 0;
}
