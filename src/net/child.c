/* SPDX-License-Identifier: Apache-2.0 */
#include "net/child.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

char *program_path(const char *name)
{
	static const char *const folders[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_free_ char *path = str_format("%s/%s", folders[i], name);

		if (access(path, X_OK) == 0)
			return steal_ptr(path);
	}
	return NULL;
}

/* ---- in the child ---- */

static void default_signals(void)
{
	sigset_t none;

	for (int s = 1; s < 65; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All but the three standard ones close with execve. Returns errno when it fails. */
static int execute(const char *const *args, int in, int out, const int *keep, size_t keep_count)
{
	static char *const no_environment[] = {NULL};
	/* Out of the way of what they replace. */
	int from = fcntl(in, F_DUPFD_CLOEXEC, 10), to = fcntl(out, F_DUPFD_CLOEXEC, 10);

	if (from < 0 || to < 0 || dup2(from, 0) < 0 || dup2(to, 1) < 0 || dup2(to, 2) < 0)
		return errno;
	syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < keep_count; i++)
		if (fcntl(keep[i], F_SETFD, 0) < 0)
			return errno;
	execve(args[0], (char *const *)(uintptr_t)args, no_environment);
	return errno;
}

/* ---- waited for ---- */

/* Waits for something to read until the deadline; of a pidfd that is the end. 0, -ETIMEDOUT or -errno. */
static int await_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now = clock_monotonic_ns();
		int ready, left_ms = now < deadline_ns ? (int)((deadline_ns - now) / 1000000 + 1) : 0;

		ready = poll(&wait, 1, left_ms);
		if (ready != 0 && !(ready < 0 && errno == EINTR))
			return ready < 0 ? -errno : 0;
		if (ready == 0)
			return -ETIMEDOUT;
	}
}

static int read_output(int fd, uint64_t deadline_ns, size_t max, char *text)
{
	char rest[1024];
	size_t used = 0;
	int r;

	for (;;) {
		bool room = used < max;
		ssize_t n;

		r = await_readable(fd, deadline_ns);
		if (r < 0)
			break;
		n = room ? read(fd, text + used, max - used) : read(fd, rest, sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += room ? (size_t)n : 0;
	}
	text[used] = '\0';
	return r;
}

int child_run(const char *const *args, const void *input, size_t size, int lock, unsigned limit_ms,
	      size_t max, int *ret_status, char **ret_output)
{
	uint64_t deadline_ns = clock_monotonic_ns() + limit_ms * UINT64_C(1000000);
	_fd_ int in = memfd_with("coracle-input", input, size), reader = -1, writer = -1, pidfd = -1;
	_free_ char *text = xmalloc(max + 1);
	int ends[2], status, r;
	pid_t pid;

	if (in < 0)
		return in;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	reader = ends[0];
	writer = ends[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		default_signals();
		execute(args, in, writer, &lock, lock >= 0);
		_exit(127);
	}
	close_fd(&writer);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = read_output(reader, deadline_ns, max, text);
	r = r ?: await_readable(pidfd, deadline_ns);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (r < 0)
		return r;
	*ret_status = status;
	*ret_output = steal_ptr(text);
	return 0;
}

/* ---- left alone ---- */

static _Noreturn void be_detached(const char *const *args, int null, int log_fd,
				  int (*prepare)(void *context), void *context, int report)
{
	pid_t grandchild = setsid() < 0 ? -1 : fork();
	int failure = grandchild < 0 ? errno : 0;

	if (grandchild == 0) {
		int r;

		default_signals();
		r = prepare(context);
		failure = r < 0 ? -r : execute(args, null, log_fd, NULL, 0);
	}
	if (failure)
		(void)!write(report, &failure, sizeof(failure));
	_exit(0);
}

int child_detach(const char *const *args, int log_fd, int (*prepare)(void *context), void *context)
{
	_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC), reader = -1, writer = -1;
	int ends[2], status, failure = 0;
	pid_t child;

	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	reader = ends[0];
	writer = ends[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		be_detached(args, null, log_fd, prepare, context, writer);
	close_fd(&writer);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* The pipe ends with execve; only who could not get there writes. */
	while (read(reader, &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	return -failure;
}

/* ---- a copy of us ---- */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_all_but(const int *kept, size_t count)
{
	int sorted[CHILD_KEPT_MAX];
	unsigned from = 3;

	memcpy(sorted, kept, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), by_number);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] < 3)
			continue;
		if ((unsigned)sorted[i] > from)
			syscall(SYS_close_range, from, (unsigned)sorted[i] - 1, 0);
		from = (unsigned)sorted[i] + 1;
	}
	syscall(SYS_close_range, from, ~0U, 0);
}

int child_carry_on(void (*work)(void *context), void *context, const int *kept, size_t count)
{
	pid_t child, grandchild;
	int status = 0;

	assert(count <= CHILD_KEPT_MAX);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		default_signals();
		close_all_but(kept, count);
		grandchild = fork();
		if (grandchild == 0)
			work(context);
		_exit(grandchild < 0 ? errno : 0);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* ---- at our side ---- */

int child_start(const char *const *args, int out, const int *keep, size_t keep_count, pid_t *ret_pid)
{
	_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t parent = getpid(), pid;

	if (null < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		setsid();
		default_signals();
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
			execute(args, null, out, keep, keep_count);
		_exit(127);
	}
	*ret_pid = pid;
	return 0;
}
