/* SPDX-License-Identifier: Apache-2.0 */
/* Raw mode must end even when we crash, or the person's shell is unusable; so the saved settings stand where a signal handler and
 * an exit handler can reach them. They are the one thing here that is not passed around. */
#include "cli/terminal.h"

#include "cli/report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct {
	struct termios settings;
	int fd;
	volatile sig_atomic_t raw;
	bool prepared;
} saved;

void terminal_restore(void)
{
	int error = errno;

	if (saved.raw) {
		saved.raw = 0;
		tcsetattr(saved.fd, TCSADRAIN, &saved.settings);
	}
	errno = error;
}

static void on_crash(int number)
{
	terminal_restore();
	/* SA_RESETHAND: this time it ends us as it would have without a handler. */
	raise(number);
}

static void prepare(void)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

	if (saved.prepared)
		return;
	saved.prepared = true;
	atexit(terminal_restore);
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(crashes); i++)
		sigaction(crashes[i], &action, NULL);
}

int terminal_raw(int fd, struct cor_error *err)
{
	struct termios raw;

	if (tcgetattr(fd, &saved.settings) < 0)
		return report_fail(err, COR_INVALID, errno, "standard input is not a terminal: %s",
				   strerror(errno));
	prepare();
	raw = saved.settings;
	cfmakeraw(&raw);
	saved.fd = fd;
	saved.raw = 1;
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
		int error = errno;

		terminal_restore();
		return report_fail(err, COR_INTERNAL, error, "cannot set up the terminal: %s",
				   strerror(error));
	}
	return 0;
}

bool terminal_size(unsigned *ret_rows, unsigned *ret_columns)
{
	/* Standard output first: it is what the size matters to. */
	static const int streams[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};
	struct winsize size;

	for (size_t i = 0; i < COUNT(streams); i++) {
		if (ioctl(streams[i], TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
			continue;
		*ret_rows = size.ws_row;
		*ret_columns = size.ws_col;
		return true;
	}
	return false;
}
