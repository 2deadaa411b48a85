/* SPDX-License-Identifier: Apache-2.0 */
/* The small init of `--init`: it is the fork of coracle-init itself, so that nothing need be put into the container's file system. All
 * signals stay blocked and are taken one by one. */
#include "init/child_internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program of its own group can have the terminal, and be stopped, without its init. */
static void take_terminal(void)
{
	setpgid(0, 0);
	/* The mask is full, so that SIGTTOU does not stop us here. */
	tcsetpgrp(STDIN_FILENO, getpid());
}

static void reap(pid_t main_child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == main_child)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

_Noreturn void reaper_run(bool terminal, void (*run)(void *context), void (*done)(void *context),
			  void *context)
{
	sigset_t all;
	pid_t pid = fork();

	if (pid == 0) {
		if (terminal)
			take_terminal();
		run(context);
		_exit(127);
	}
	done(context);
	if (pid < 0)
		_exit(126);
	prctl(PR_SET_NAME, "coracle-init");
	sigfillset(&all);
	for (;;) {
		siginfo_t info;
		int number = sigwaitinfo(&all, &info);

		if (number == SIGCHLD)
			reap(pid);
		else if (number > 0 && number != SIGTTOU && number != SIGTTIN)
			kill(pid, number);
	}
}
