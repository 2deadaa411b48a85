/* SPDX-License-Identifier: Apache-2.0 */
/* Raw mode, and silence, must end even when we crash, or the person's shell is unusable; so the saved settings stand where a signal handler and
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
	volatile sig_atomic_t changed;
	bool prepared;
} saved;

void terminal_restore(void)
{
	int error = errno;

	if (saved.changed) {
		saved.changed = 0;
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

/* fd gets other settings, which make makes of those that it has, until terminal_restore. */
static int change(int fd, void (*make)(struct termios *settings), struct cor_error *err)
{
	struct termios settings;

	if (tcgetattr(fd, &saved.settings) < 0)
		return report_fail(err, COR_INVALID, errno, "standard input is not a terminal: %s",
				   strerror(errno));
	prepare();
	settings = saved.settings;
	make(&settings);
	saved.fd = fd;
	saved.changed = 1;
	if (tcsetattr(fd, TCSADRAIN, &settings) < 0) {
		int error = errno;

		terminal_restore();
		return report_fail(err, COR_INTERNAL, error, "cannot set up the terminal: %s",
				   strerror(error));
	}
	return 0;
}

int terminal_raw(int fd, struct cor_error *err)
{
	return change(fd, cfmakeraw, err);
}

static void silence(struct termios *settings)
{
	settings->c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
}

int terminal_silent(int fd, struct cor_error *err)
{
	return change(fd, silence, err);
}

bool terminal_size_of(int fd, unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		return false;
	*ret_rows = size.ws_row;
	*ret_columns = size.ws_col;
	return true;
}

bool terminal_size(unsigned *ret_rows, unsigned *ret_columns)
{
	/* Standard output first: it is what the size matters to. */
	static const int streams[] = {STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO};

	for (size_t i = 0; i < COUNT(streams); i++)
		if (terminal_size_of(streams[i], ret_rows, ret_columns))
			return true;
	return false;
}
