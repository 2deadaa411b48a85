/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that end us while the terminal is silent first give it back its voice. One that would only stop us (ctrl-Z) waits until the answer is
 * there, since the shell would go on with a silent terminal. */
#include "cli/password.h"

#include "cli/report.h"
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST 65536 /* tokens of clouds are some thousand bytes */

static const int enders[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void on_end(int number)
{
	terminal_restore();
	(void)!write(STDERR_FILENO, "\n", 1);
	/* SA_RESETHAND: this time it ends us. */
	raise(number);
}

/* Reads up to the end, or to the end of a line. Returns 0, or -errno; -E2BIG for what is too long. */
static int read_bytes(int fd, bool line, char *bytes, size_t *ret_size)
{
	size_t size = 0;

	for (;;) {
		ssize_t n = read(fd, bytes + size, line ? 1 : LONGEST - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		size += (size_t)n;
		if (n == 0 || (line && bytes[size - 1] == '\n'))
			break;
		if (size == LONGEST)
			return -E2BIG;
	}
	*ret_size = size;
	return 0;
}

/* bytes, of LONGEST, become a string: one line of text that is not empty. */
static int to_text(char *bytes, size_t size, const char *what, char **ret, struct cor_error *err)
{
	size -= size > 0 && bytes[size - 1] == '\n';
	size -= size > 0 && bytes[size - 1] == '\r';
	if (size == 0)
		return report_usage(err, "%s is empty", what);
	if (memchr(bytes, '\0', size))
		return report_usage(err, "%s holds a NUL byte", what);
	*ret = text_format("%.*s", (int)size, bytes);
	return 0;
}

static int take(int fd, bool line, const char *what, char **ret, struct cor_error *err)
{
	char *bytes = memory_new(1, LONGEST);
	size_t size = 0;
	int r = read_bytes(fd, line, bytes, &size);

	if (r == -E2BIG)
		r = report_usage(err, "%s is longer than 64 KiB", what);
	else if (r < 0)
		r = report_fail(err, COR_UNAVAILABLE, -r, "%s cannot be read: %s", what, strerror(-r));
	else
		r = to_text(bytes, size, what, ret, err);
	explicit_bzero(bytes, LONGEST);
	free(bytes);
	return r;
}

struct signals {
	struct sigaction before[COUNT(enders)];
	sigset_t mask;
};

static void catch_signals(struct signals *signals)
{
	struct sigaction action = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
	sigset_t stop;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(enders); i++) {
		sigaction(enders[i], NULL, &signals->before[i]);
		if (signals->before[i].sa_handler != SIG_IGN)
			sigaction(enders[i], &action, NULL);
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sigprocmask(SIG_BLOCK, &stop, &signals->mask);
}

static void let_signals_go(const struct signals *signals)
{
	for (size_t i = 0; i < COUNT(enders); i++)
		sigaction(enders[i], &signals->before[i], NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

int password_ask(const char *prompt, bool shown, const char *remedy, char **ret, struct cor_error *err)
{
	const char *what = shown ? "the user name" : "the password";
	struct signals signals;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), r;

	if (tty < 0)
		return report_usage(err, "there is no terminal to ask for %s; %s", what, remedy);
	catch_signals(&signals);
	r = shown ? 0 : terminal_silent(tty, err);
	if (r == 0) {
		(void)!write(tty, prompt, strlen(prompt));
		r = take(tty, true, what, ret, err);
	}
	if (!shown) {
		/* The end of the line was not shown either. */
		(void)!write(tty, "\n", 1);
		terminal_restore();
	}
	let_signals_go(&signals);
	close(tty);
	return r;
}

int password_read(char **ret, struct cor_error *err)
{
	return take(STDIN_FILENO, false, "the password on standard input", ret, err);
}

void password_freep(char **password)
{
	if (*password)
		explicit_bzero(*password, strlen(*password));
	free(*password);
}
