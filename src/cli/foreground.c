/* SPDX-License-Identifier: Apache-2.0 */
/* Signals come at any time, the session exists only for a part of it. So the handler looks at one static record: before the session is
 * there it notes what came, afterwards it hands over. libcoracle's session calls are made for that.
 *
 *   prepare          start returns       run                      release
 *      |--- noted -------->|--- (blocked) -->|--- handed over --->|
 *
 * Three signals that ask to end let go of a process that does not listen; it runs on, and we say so. Before exec and attach have a session
 * there is nothing that could hear of them: the first one ends us. */
#include "cli/foreground.h"

#include "cli/report.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LET_GO_AFTER 3

static const struct option foreground_options[] = {
	{"detach-keys", '\0', "KEYS", "what leaves a terminal's process running (default ctrl-p,ctrl-q)"},
	{"sig-proxy", '\0', NULL, "pass signals on to the process (default true)"},
	{0},
};
const struct option_group foreground_group = {"Foreground", foreground_options};

static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};

/* What the handler needs; nothing else may touch it while the signals are not blocked. */
static struct {
	struct cor_session *session;
	volatile sig_atomic_t noted[65];
	volatile sig_atomic_t asked, last;
	volatile sig_atomic_t early; /* there is no process yet that a signal could be for */
	bool proxy, terminal;
} now;

static bool asks_to_end(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

static void on_window(void)
{
	unsigned rows, columns;

	if (now.terminal && now.session && terminal_size(&rows, &columns))
		cor_session_resize(now.session, rows, columns);
}

static void on_signal(int number)
{
	int error = errno;

	if (number == SIGWINCH) {
		on_window();
	} else {
		now.last = number;
		now.asked += asks_to_end(number);
		if (now.asked >= (now.proxy && !now.early ? LET_GO_AFTER : 1)) {
			if (!now.session)
				_exit(128 + number);
			cor_session_interrupt(now.session);
		} else if (now.session) {
			cor_session_signal(now.session, number);
		} else {
			now.noted[number] = 1;
		}
	}
	errno = error;
}

static sigset_t passed_on_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < COUNT(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	return set;
}

int foreground_init(struct foreground *fg, const struct arguments *args, bool interactive, bool terminal,
		    const char *remedy, struct cor_error *err)
{
	const char *keys = arguments_text(args, "detach-keys");

	if (terminal && interactive && !isatty(STDIN_FILENO))
		return report_usage(err, "standard input is not a terminal, the process's is; %s", remedy);
	*fg = (struct foreground){
		/* A terminal has one stream for both. */
		.streams = {.in = interactive ? STDIN_FILENO : -1,
			    .out = STDOUT_FILENO,
			    .err = terminal ? -1 : STDERR_FILENO},
		.terminal = terminal,
		.raw = terminal && interactive,
		.proxy = arguments_flag(args, "sig-proxy", true),
	};
	if (fg->raw)
		fg->streams.detach_keys = keys ? keys : "ctrl-p,ctrl-q";
	if (terminal)
		terminal_size(&fg->rows, &fg->columns);
	return 0;
}

void foreground_prepare(struct foreground *fg)
{
	struct sigaction action = {
		.sa_handler = on_signal, .sa_flags = (int)SA_RESTART, .sa_mask = passed_on_set()};
	struct sigaction before;

	memset(&now, 0, sizeof(now));
	now.proxy = fg->proxy;
	now.terminal = fg->terminal;
	now.early = !fg->starts;
	sigprocmask(SIG_SETMASK, NULL, &fg->mask);
	for (size_t i = 0; i < COUNT(passed_on); i++) {
		/* What our parent has us ignore (nohup, a background job of sh) stays ignored. */
		sigaction(passed_on[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)
			sigaction(passed_on[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	fg->prepared = true;
}

/* The session becomes (or, NULL, is no longer) what signals go to; those noted before are handed over. */
static void set_session(struct cor_session *session)
{
	sigset_t set = passed_on_set(), before;

	sigprocmask(SIG_BLOCK, &set, &before);
	now.session = session;
	now.early = 0;
	for (int i = 1; session && i < (int)COUNT(now.noted); i++) {
		if (now.noted[i])
			cor_session_signal(session, i);
		now.noted[i] = 0;
	}
	/* The window may have changed since its size was asked for. */
	on_window();
	sigprocmask(SIG_SETMASK, &before, NULL);
}

void foreground_release(struct foreground *fg)
{
	terminal_restore();
	if (!fg->prepared)
		return;
	fg->prepared = false;
	for (size_t i = 0; i < COUNT(passed_on); i++) {
		struct sigaction before;

		sigaction(passed_on[i], NULL, &before);
		if (before.sa_handler == on_signal)
			signal(passed_on[i], SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &fg->mask, NULL);
}

/* Lines "stage<TAB>microseconds since the command began" as a table of milliseconds, with what each stage took. */
static void print_timings(struct cor_session *session)
{
	char *text, *rest, *line;
	long long before = 0;

	if (cor_session_timings(session, &text, NULL) < 0)
		return;
	fprintf(stderr, "%10s %10s  %s\n", "at (ms)", "took (ms)", "stage");
	for (char *p = text; (line = strtok_r(p, "\n", &rest)); p = NULL) {
		char *tab = strchr(line, '\t');
		long long at = tab ? strtoll(tab + 1, NULL, 10) : -1;

		if (at < 0)
			continue;
		*tab = '\0';
		fprintf(stderr, "%10.1f %10.1f  %s\n", (double)at / 1e3, (double)(at - before) / 1e3, line);
		before = at;
	}
	cor_free(text);
}

static void note_that_it_runs_on(const struct foreground *fg)
{
	report_note("let go of '%s', which may run on; 'coracle kill %s' ends it", fg->name, fg->name);
}

static void write_trace(struct cor_session *session, const char *path)
{
	char *text;
	FILE *file;
	bool written;

	if (cor_session_trace(session, &text, NULL) < 0)
		return;
	file = fopen(path, "we");
	written = file && fputs(text, file) != EOF;
	if ((file && fclose(file) == EOF) || !written)
		report_note("cannot write the trace '%s': %s", path, strerror(errno));
	cor_free(text);
}

/* How the session ended, as an exit status and a line for what the status does not tell. */
static int status_of(const struct foreground *fg, enum cor_session_result result, const struct cor_exit *end)
{
	switch (result) {
	case COR_SESSION_DETACHED:
		return 0;
	case COR_SESSION_INTERRUPTED:
		note_that_it_runs_on(fg);
		return 128 + (int)now.last;
	default:
		if (end->reason[0])
			report_note("'%s': %s", fg->name, end->reason);
		else if (end->out_of_memory)
			report_note("'%s' ran out of memory; --memory gives it more", fg->name);
		return end->code;
	}
}

int foreground_run(struct foreground *fg, struct cor_session *session, int *ret_status, struct cor_error *err)
{
	enum cor_session_result result = COR_SESSION_EXITED;
	struct cor_exit end = {0};
	int r;

	/* First, for a signal that ends us at once would leave the terminal raw. */
	set_session(session);
	r = fg->raw ? terminal_raw(STDIN_FILENO, err) : 0;
	if (r == 0)
		r = cor_session_run(session, &result, &end, err);
	terminal_restore();
	set_session(NULL);
	if (r == 0 && fg->timings)
		print_timings(session);
	if (r == 0 && fg->trace)
		write_trace(session, fg->trace);
	cor_session_free(session);
	foreground_release(fg);
	if (r == -EPIPE) {
		/* Who read our output has gone, as with `… | head`: end as other programs do. */
		note_that_it_runs_on(fg);
		*ret_status = 128 + SIGPIPE;
		return 0;
	}
	if (r == 0)
		*ret_status = status_of(fg, result, &end);
	return r;
}
