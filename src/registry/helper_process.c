/* SPDX-License-Identifier: Apache-2.0 */
/* The input goes through a sealed memory file rather than a pipe: a program that does not read cannot block us, and one that ends early sends us no SIGPIPE,
 * whose disposition belongs to the program that uses the library. It stays in our process group, so that it may read from the terminal. */
#include "registry/helper_process.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct process {
	pid_t pid;
	int pidfd;
	int output, errors; /* our ends of its pipes; -1 at their end */
	size_t error_size;
	char error[HELPER_COMPLAINT_SIZE];
};

void helper_result_release(struct helper_result *result)
{
	if (result->output)
		explicit_bzero(result->output, HELPER_OUTPUT_MAX + 1);
	free(result->output);
	*result = (struct helper_result){0};
}

void helper_first_line(const char *text, size_t size, char out[HELPER_COMPLAINT_SIZE])
{
	size_t n = 0;

	while (n < size && n < HELPER_COMPLAINT_SIZE - 1 && text[n] != '\n' && text[n] != '\r') {
		out[n] = text[n] < ' ' || text[n] > '~' ? '?' : text[n];
		n++;
	}
	out[n] = '\0';
}

/* ---- start ---- */

/* Where our own standard streams are closed, a new descriptor could be one of those that the program's are put over. */
static int above_standard(int *fd)
{
	int higher;

	if (*fd > STDERR_FILENO)
		return 0;
	higher = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (higher < 0)
		return -errno;
	close_fd(fd);
	*fd = higher;
	return 0;
}

static int make_pipe(int *ret_reader, int *ret_writer)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_reader = fds[0];
	*ret_writer = fds[1];
	r = above_standard(ret_reader);
	if (r == 0)
		r = above_standard(ret_writer);
	return r ?: fd_set_nonblocking(*ret_reader, true);
}

static int spawn(const char *program, const char *verb, const int streams[3], pid_t *ret)
{
	const char *args[] = {program, verb, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, pipe_signal;
	int r;

	sigemptyset(&none);
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < 3; i++)
		posix_spawn_file_actions_adddup2(&actions, streams[i], i);
	r = posix_spawnp(ret, program, &actions, &attributes, (char *const *)(uintptr_t)args, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

static int start(const char *program, const char *verb, const char *input, struct process *p,
		 struct cor_error *err)
{
	_fd_ int in = memfd_with("helper", input, strlen(input)), out = -1, errors = -1;
	int r = in < 0 ? in : above_standard(&in);

	if (r == 0)
		r = make_pipe(&p->output, &out);
	if (r == 0)
		r = make_pipe(&p->errors, &errors);
	if (r < 0)
		return cor_fail_errno(err, r, "start '%s'", program);
	r = spawn(program, verb, (const int[]){in, out, errors}, &p->pid);
	if (r == -ENOENT)
		return cor_fail(err, COR_UNAVAILABLE, ENOENT, "'%s' is not on the PATH", program);
	if (r < 0)
		return cor_fail(err, COR_UNAVAILABLE, r, "start '%s': %s", program, strerror(-r));
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	return p->pidfd < 0 ? cor_fail_errno(err, errno, "watch '%s'", program) : 0;
}

/* ---- work ---- */

/* Reads what is there; the end, or an error, closes *fd. What has no room is thrown away, or, where it must fit, is -E2BIG. */
static int drain(int *fd, char *data, size_t *size, size_t room, bool must_fit)
{
	while (*fd >= 0) {
		char lost[512];
		bool full = *size == room;
		ssize_t n = full ? read(*fd, lost, sizeof(lost)) : read(*fd, data + *size, room - *size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			close_fd(fd);
		else if (!full)
			*size += (size_t)n;
		else if (must_fit)
			return -E2BIG;
		explicit_bzero(lost, sizeof(lost));
	}
	return 0;
}

static int drain_all(struct process *p, struct helper_result *result)
{
	drain(&p->errors, p->error, &p->error_size, sizeof(p->error), false);
	return drain(&p->output, result->output, &result->size, HELPER_OUTPUT_MAX, true);
}

/* Until the process is gone: a child of its own that keeps the pipes open does not hold us. 0, -E2BIG or -ETIMEDOUT. */
static int work(struct process *p, int timeout_ms, struct helper_result *result)
{
	uint64_t deadline = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;

	for (;;) {
		struct pollfd polled[] = {
			{.fd = p->pidfd, .events = POLLIN},
			{.fd = p->output, .events = POLLIN},
			{.fd = p->errors, .events = POLLIN},
		};
		uint64_t now = clock_monotonic_ns();
		int r = poll(polled, ARRAY_SIZE(polled),
			     now < deadline ? (int)((deadline - now) / 1000000) + 1 : 0);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0)
			continue;
		r = drain_all(p, result);
		if (r < 0 || polled[0].revents)
			return r;
	}
}

/* Kills it where it was not seen to end, and tells how it ended. */
static int reap(struct process *p, bool kill_it)
{
	int status = 0;

	if (p->pid <= 0)
		return 0;
	if (kill_it)
		kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127; /* somebody else waited for it */
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int helper_run(const char *program, const char *verb, const char *input, int timeout_ms,
	       struct helper_result *ret, struct cor_error *err)
{
	struct process p = {.pid = -1, .pidfd = -1, .output = -1, .errors = -1};
	_helper_result_ struct helper_result result = {.output = xcalloc(HELPER_OUTPUT_MAX + 1, 1)};
	int r = start(program, verb, input, &p, err);

	if (r == 0) {
		r = work(&p, timeout_ms, &result);
		if (r == -ETIMEDOUT)
			cor_fail(err, COR_TIMEOUT, r, "'%s %s' took longer than %d s", program, verb,
				 timeout_ms / 1000);
		else if (r == -E2BIG)
			cor_fail(err, COR_UNAVAILABLE, r, "'%s %s' said too much", program, verb);
		else if (r < 0)
			cor_fail_errno(err, r, "wait for '%s'", program);
	}
	result.status = reap(&p, r < 0);
	cleanup_fd(&p.pidfd);
	cleanup_fd(&p.output);
	cleanup_fd(&p.errors);
	if (r < 0)
		return r;
	helper_first_line(p.error, p.error_size, result.complaint);
	*ret = result;
	result = (struct helper_result){0};
	return 0;
}
