/* SPDX-License-Identifier: Apache-2.0 */
/* The two forks that let a program live on without its parent, its terminal and its signals. Between fork and exec only calls that are safe there
 * are made, since the library's user may have threads. */
#include "container/detach.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KEPT_FD 3

static void default_signals(void)
{
	sigset_t none;

	for (int s = 1; s < 65; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts the descriptors in their places and executes; returns errno. status_fd is moved out of the way first. */
static int child_exec(const char *const *args, int null_fd, int log_fd, int kept_fd, int *status_fd)
{
	int moved[4] = {null_fd, log_fd, kept_fd, *status_fd};

	for (int i = 0; i < 4; i++) {
		moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, 10);
		if (moved[i] < 0)
			return errno;
	}
	*status_fd = moved[3];
	if (dup2(moved[0], 0) < 0 || dup2(moved[1], 1) < 0 || dup2(moved[1], 2) < 0 ||
	    dup2(moved[2], KEPT_FD) < 0)
		return errno;
	/* What else the caller has open is not to stay open as long as a container runs. */
	syscall(SYS_close_range, KEPT_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	default_signals();
	execv(args[0], (char *const *)(uintptr_t)args);
	return errno;
}

int process_detach(const char *const *args, int log_fd, int kept_fd, struct cor_error *err)
{
	_fd_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), reader = -1, writer = -1;
	int pipe_fds[2], failure = 0, status;
	ssize_t n;
	pid_t child;

	if (null_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "start '%s'", args[0]);
	reader = pipe_fds[0];
	writer = pipe_fds[1];
	child = fork();
	if (child < 0)
		return cor_fail_errno(err, errno, "start '%s': fork", args[0]);
	if (child == 0) {
		pid_t grandchild = setsid() < 0 ? -1 : fork();

		if (grandchild == 0)
			failure = child_exec(args, null_fd, log_fd, kept_fd, &writer);
		else if (grandchild < 0)
			failure = errno;
		if (failure)
			(void)!write(writer, &failure, sizeof(failure));
		_exit(0);
	}
	close_fd(&writer);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* The pipe closes with execve; the grandchild writes only when that fails. */
	do
		n = read(reader, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	return n == sizeof(failure) ? cor_fail_errno(err, failure, "start '%s'", args[0]) : 0;
}
