/* SPDX-License-Identifier: Apache-2.0 */
/* Everything between clone and execve. The process is a copy of init, so the first thing it does is to let go of what init has:
 * descriptors, signal handlers, and the right of others in the container to look into it. Errors travel to init as they are. */
#include "init/child_internal.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "init/privileges.h"
#include "init/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#define SOCKET_FD 3 /* where the socket to init lies in the child */
#define JOIN_FD   4

struct start {
	const struct child *child;
	struct user user;
	struct strv env;
	char *executable;
	int terminal; /* the master, to be sent; -1: none */
};

static void report(const struct cor_error *err, int terminal)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct child_report packet = {.error = *err};
	struct iovec iov = {.iov_base = &packet, .iov_len = sizeof(packet)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (terminal >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &terminal, sizeof(int));
	}
	sendmsg(SOCKET_FD, &message, MSG_NOSIGNAL);
}

/* ---- letting go of init ---- */

/* Handlers went with the clone; what is ignored stays so, and would over execve. */
static void reset_signals(void)
{
	signal(SIGPIPE, SIG_DFL);
}

/* Moves what is kept to 0 to 4, by way of higher numbers so that none overwrites another, and closes the rest. */
static int arrange_descriptors(const struct child *child, int socket, struct cor_error *err)
{
	int kept[] = {child->stdio[0], child->stdio[1], child->stdio[2], socket, child->join};

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		/* What a terminal will take is held by /dev/null, lest another file fall into its place. */
		if (kept[i] < 0 && i < 3)
			kept[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (kept[i] < 0 && (int)i == JOIN_FD)
			continue;
		kept[i] = fcntl(kept[i], F_DUPFD_CLOEXEC, 10);
		if (kept[i] < 0)
			return cor_fail_errno(err, errno, "descriptors");
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i] < 0)
			close((int)i);
		else if (dup3(kept[i], (int)i, i < 3 ? 0 : O_CLOEXEC) < 0)
			return cor_fail_errno(err, errno, "descriptors");
	return close_range(JOIN_FD + 1, ~0U, 0) < 0 ? cor_fail_errno(err, errno, "descriptors") : 0;
}

/* ---- entering the container ---- */

static int set_names(const struct oci_spec *spec, struct cor_error *err)
{
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return cor_fail_errno(err, errno, "host name '%s'", spec->hostname);
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return cor_fail_errno(err, errno, "domain name '%s'", spec->domainname);
	return 0;
}

static int enter(const struct child *child, struct cor_error *err)
{
	int r;

	if (child->join >= 0) {
		if (setns(JOIN_FD, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) < 0)
			return cor_fail_errno(err, errno, "enter the container");
		close(JOIN_FD);
		return 0;
	}
	/* Only now, in its group, since a cgroup name space begins where its maker is. */
	if (unshare(CLONE_NEWCGROUP) < 0)
		return cor_fail_errno(err, errno, "a cgroup name space");
	r = set_names(child->spec, err);
	return r ?: rootfs_enter(child->spec, child->root, child->process->cwd, err);
}

/* ---- the terminal ---- */

static int open_terminal(struct start *start, struct cor_error *err)
{
	const struct child *child = start->child;
	struct winsize size = {.ws_row = child->rows, .ws_col = child->columns};
	_fd_ int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
	int unlock = 0;
	unsigned number;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return cor_fail_errno(err, errno, "a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return cor_fail_errno(err, errno, "a terminal");
	if (child->rows && child->columns)
		ioctl(master, TIOCSWINSZ, &size);
	if (child->join < 0) {
		_free_ char *path = str_format("/dev/pts/%u", number);
		int r = rootfs_bind_console(path, err);

		if (r < 0)
			return r;
	}
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return cor_fail_errno(err, errno, "a controlling terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return cor_fail_errno(err, errno, "a terminal");
	start->terminal = steal_fd(&master);
	return 0;
}

/* ---- who it is ---- */

static int find_user(struct start *start, struct cor_error *err)
{
	const struct oci_process *process = start->child->process;
	_free_ char *passwd = NULL, *group = NULL;
	struct user *user = &start->user;
	int r = 0;

	/* Files that are missing or no files hold no names. */
	(void)file_read(AT_FDCWD, "/etc/passwd", USER_FILE_MAX, &passwd, NULL);
	if (process->username) {
		(void)file_read(AT_FDCWD, "/etc/group", USER_FILE_MAX, &group, NULL);
		r = user_find(passwd, group, process->username, user, err);
	} else {
		user->uid = process->uid;
		user->gid = process->gid;
		user->home = user_home(passwd, process->uid);
	}
	if (r < 0)
		return r;
	user->groups = xreallocarray(user->groups, user->group_count + process->group_count + 1,
				     sizeof(*user->groups));
	for (size_t i = 0; i < process->group_count; i++)
		user->groups[user->group_count++] = process->groups[i];
	return 0;
}

/* A program must be able to open its own /dev/stdout again. /dev/null stays root's: it is everybody's. */
static void own_stdio(const struct user *user)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd)))
			(void)!fchown(fd, user->uid, S_ISFIFO(st.st_mode) ? user->gid : st.st_gid);
	}
}

static void set_environment(struct start *start)
{
	const struct oci_process *process = start->child->process;
	const char *variable;
	bool has_home = false;

	strv_foreach (&process->env, i, variable) {
		strv_add(&start->env, variable);
		has_home = has_home || str_after(variable, "HOME=");
	}
	if (!has_home)
		strv_addf(&start->env, "HOME=%s", str_empty(start->user.home) ? "/" : start->user.home);
}

/* ---- the executable ---- */

/* 0 when it is there and may be executed, -EACCES or -EISDIR when it may not, -ENOENT. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int fail_execute(struct cor_error *err, int r, const char *name)
{
	if (r == -ENOENT)
		return cor_fail(err, COR_NO_EXECUTABLE, ENOENT, "the container has no executable '%.256s'",
				name);
	return cor_fail(err, COR_CANNOT_EXECUTE, r, "cannot execute '%.256s': %s", name, strerror(-r));
}

static const char *find_path(const struct strv *env)
{
	const char *variable, *value;

	strv_foreach (env, i, variable)
		if ((value = str_after(variable, "PATH=")))
			return value;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int find_executable(struct start *start, struct cor_error *err)
{
	const char *name = start->child->process->args.items[0], *dir;
	_strv_ struct strv dirs = {0};
	int r, first = -ENOENT;

	if (strchr(name, '/')) {
		start->executable = xstrdup(name);
		r = check_executable(name);
		return r < 0 ? fail_execute(err, r, name) : 0;
	}
	dirs = strv_split(find_path(&start->env), ':');
	strv_foreach (&dirs, i, dir) {
		_free_ char *path = str_format("%s/%s", *dir ? dir : ".", name);

		r = check_executable(path);
		if (r == 0) {
			start->executable = steal_ptr(path);
			return 0;
		}
		if (r != -ENOENT && r != -EISDIR && first == -ENOENT)
			first = r;
	}
	return fail_execute(err, first, name);
}

static void execute(void *context)
{
	struct start *start = context;
	const char *name = start->child->process->args.items[0];
	struct cor_error err;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(start->executable, start->child->process->args.items, start->env.items);
	fail_execute(&err, -errno, name);
	report(&err, -1);
	_exit(err.status == COR_NO_EXECUTABLE ? 127 : 126);
}

static void close_socket(void *context)
{
	close(SOCKET_FD);
}

/* ---- all of it ---- */

static int prepare(struct start *start, int socket, struct cor_error *err)
{
	const struct child *child = start->child;
	struct privileges privileges = {
		.process = child->process,
		.user = &start->user,
		.filter = child->filter,
		.filter_count = child->filter_count,
	};
	int r = arrange_descriptors(child, socket, err);

	r = r ?: enter(child, err);
	if (r < 0)
		return r;
	setsid();
	if (child->process->terminal)
		r = open_terminal(start, err);
	if (r == 0 && child->join < 0)
		r = rootfs_protect(child->spec, err);
	r = r ?: find_user(start, err);
	if (r < 0)
		return r;
	own_stdio(&start->user);
	set_environment(start);
	r = privileges_apply(&privileges, err);
	if (r == 0 && chdir(child->process->cwd) < 0)
		r = cor_fail_errno(err, errno, "working directory '%.256s'", child->process->cwd);
	return r ?: find_executable(start, err);
}

_Noreturn void child_main(const struct child *child, int socket)
{
	struct start start = {.child = child, .terminal = -1};
	struct cor_error err = {0};
	char go;

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	reset_signals();
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
	if (prepare(&start, socket, &err) < 0) {
		report(&err, -1);
		_exit(125);
	}
	report(&(struct cor_error){0}, start.terminal);
	close_fd(&start.terminal);
	if (read(SOCKET_FD, &go, 1) != 1)
		_exit(125);
	if (child->reaper)
		reaper_run(child->process->terminal, execute, close_socket, &start);
	execute(&start);
	_exit(126);
}
