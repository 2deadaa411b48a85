/* SPDX-License-Identifier: Apache-2.0 */
/* Init's side of making a process. One clone3 puts it into its name spaces and its control group at once. To enter an existing PID name space
 * init changes the one that its children get, clones, and changes back: it has one thread, and nothing else is
 * born in between. So every process is init's own child, and its end is told by SIGCHLD. */
#include "init/child.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "init/child_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static pid_t clone_child(const struct child *child, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)child->cgroup,
	};

	if (child->join < 0)
		args.flags |= CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int child_spawn(const struct child *child, int own_pid_namespace, pid_t *ret_pid, int *ret_pidfd,
		int *ret_socket, struct cor_error *err)
{
	_fd_ int ours = -1, theirs = -1;
	sigset_t all, old;
	int fds[2], pidfd = -1, saved;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return cor_fail_errno(err, errno, "a new process");
	ours = fds[0];
	theirs = fds[1];
	if (child->join >= 0 && setns(child->join, CLONE_NEWPID) < 0)
		return cor_fail_errno(err, errno, "enter the container");
	/* No handler of init's may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = clone_child(child, &pidfd);
	saved = errno;
	if (pid == 0)
		child_main(child, theirs);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (child->join >= 0)
		setns(own_pid_namespace, CLONE_NEWPID);
	if (pid < 0)
		return cor_fail_errno(err, saved, "a new process");
	fcntl(ours, F_SETFL, O_NONBLOCK);
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	*ret_socket = steal_fd(&ours);
	return 0;
}

int child_receive(int socket, struct child_report *report, int *ret_terminal)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = report, .iov_len = sizeof(*report)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

	*ret_terminal = -1;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	header = CMSG_FIRSTHDR(&message);
	if (n > 0 && header && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_terminal, CMSG_DATA(header), sizeof(int));
	if (n == 0)
		return 0;
	if (n != sizeof(*report)) {
		close_fd(ret_terminal);
		return -EPROTO;
	}
	report->error.msg[sizeof(report->error.msg) - 1] = '\0';
	return 1;
}

int child_go(int socket)
{
	return send(socket, "g", 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}
