/* SPDX-License-Identifier: Apache-2.0 */
/* A frame of bars is one write: up to the first line of the last frame, each line with an erasure of what stood behind it, and an erasure of what stood
 * below. So nothing flickers, and a command that is killed leaves a terminal as any other. The window is measured for every frame; a signal for its
 * changes would tell nothing more.
 *
 * The handler of signals can do no more than note them, so the note is the one thing here that is not passed around. */
#include "cli/progress.h"

#include "cli/report.h"
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Many states can change in one moment; no eye needs more frames. What has ended is drawn at once: no further call may come for long, so a frame that was
 * left out would leave a bar that seems to hang. */
#define FRAME_NS (50 * INT64_C(1000000))

static const int enders[] = {SIGINT, SIGTERM, SIGHUP};

static struct {
	volatile sig_atomic_t number;
	bool taken;
	struct sigaction before[COUNT(enders)];
} interrupted;

static void on_signal(int number)
{
	interrupted.number = number;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec + 1;
}

enum progress_mode progress_mode(const char *how, bool quiet)
{
	const char *term = getenv("TERM");

	if (quiet || text_same(how, "none"))
		return PROGRESS_NONE;
	if (text_same(how, "plain") || !isatty(STDERR_FILENO) || !term || !*term || text_same(term, "dumb"))
		return PROGRESS_PLAIN;
	return PROGRESS_BARS;
}

void progress_begin(struct progress *progress, enum progress_mode mode, bool push)
{
	*progress = (struct progress){.mode = mode, .push = push};
	interrupted.taken = false;
}

static void take_signals(void)
{
	/* SA_RESETHAND: the second signal ends us, whatever the library is doing. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	interrupted.taken = true;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT(enders); i++) {
		/* What our parent has us ignore (nohup) stays ignored. */
		sigaction(enders[i], NULL, &interrupted.before[i]);
		if (interrupted.before[i].sa_handler != SIG_IGN)
			sigaction(enders[i], &action, NULL);
	}
}

static void give_signals_back(void)
{
	for (size_t i = 0; interrupted.taken && i < COUNT(enders); i++)
		sigaction(enders[i], &interrupted.before[i], NULL);
	interrupted.taken = false;
}

/* How many rows the frame takes that stands on the terminal. A window that has become narrower folds its lines. */
static size_t drawn_rows(const struct words *drawn, unsigned columns)
{
	size_t rows = 0;

	for (size_t i = 0; i < drawn->count; i++) {
		size_t length = strlen(drawn->items[i]);

		rows += length > columns ? (length + columns - 1) / columns : 1;
	}
	return rows;
}

static void write_whole(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		bytes += n;
		size -= (size_t)n;
	}
}

static bool same(const struct words *a, const struct words *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!text_same(a->items[i], b->items[i]))
			return false;
	return true;
}

/* Puts progress->next in the place of what was drawn before. */
static void draw(struct progress *progress, unsigned rows, unsigned columns)
{
	size_t up = drawn_rows(&progress->drawn, columns), size = 0;
	char *frame = NULL;
	FILE *out;

	if (same(&progress->next, &progress->drawn))
		return;
	out = open_memstream(&frame, &size);
	if (!out)
		return;
	/* What has left the window at its top cannot be reached. */
	up = up < rows ? up : rows - 1;
	if (up)
		fprintf(out, "\r\033[%zuA", up);
	for (size_t i = 0; i < progress->next.count; i++)
		fprintf(out, "%s\033[K\n", progress->next.items[i]);
	fputs("\033[J", out);
	fclose(out);
	write_whole(frame, size);
	free(frame);
	words_release(&progress->drawn);
	progress->drawn = progress->next;
	progress->next = (struct words){0};
}

static void measure(unsigned *rows, unsigned *columns)
{
	*rows = 24;
	*columns = 80;
	terminal_size_of(STDERR_FILENO, rows, columns);
}

static size_t count_ended(const struct cor_transfer *transfers, size_t count)
{
	size_t ended = 0;

	for (size_t i = 0; i < count; i++)
		ended += bars_ended(&transfers[i]);
	return ended;
}

static void update_bars(struct progress *progress, const struct cor_transfer *transfers, size_t count,
			int64_t now)
{
	struct bars bars = {
		.transfers = transfers, .rates = progress->rates, .count = count, .push = progress->push};
	size_t ended = count_ended(transfers, count);

	measure(&bars.rows, &bars.columns);
	words_release(&progress->next);
	bars_lines(&bars, &progress->next);
	if (progress->drawn_ns && now - progress->drawn_ns < FRAME_NS && ended == progress->ended)
		return;
	progress->drawn_ns = now;
	progress->ended = ended;
	draw(progress, bars.rows, bars.columns);
}

static void update_plain(struct progress *progress, const struct cor_transfer *transfers, size_t count,
			 int64_t now)
{
	_words_ struct words lines = {0};

	for (size_t i = 0; i < count; i++)
		plain_lines(&progress->plain[i], &transfers[i], &progress->rates[i], progress->push, now,
			    &lines);
	for (size_t i = 0; i < lines.count; i++)
		fprintf(stderr, "%s\n", lines.items[i]);
}

static void *grow(void *array, size_t from, size_t to, size_t size)
{
	char *longer = memory_new(to, size);

	if (from)
		memcpy(longer, array, from * size);
	free(array);
	return longer;
}

int progress_update(void *userdata, const struct cor_transfer *transfers, size_t count)
{
	struct progress *progress = userdata;
	int64_t now = now_ns();

	if (!interrupted.taken)
		take_signals();
	/* Without blobs the question is only whether to go on; what is drawn stands. */
	if (progress->mode != PROGRESS_NONE && count > 0) {
		if (count > progress->count) {
			progress->rates = grow(progress->rates, progress->count, count, sizeof(struct rate));
			progress->plain = grow(progress->plain, progress->count, count, sizeof(struct plain));
			progress->count = count;
		}
		for (size_t i = 0; i < count; i++)
			if (transfers[i].state == COR_TRANSFER_RUNNING)
				rate_update(&progress->rates[i], transfers[i].done, now);
		if (progress->mode == PROGRESS_BARS)
			update_bars(progress, transfers, count, now);
		else
			update_plain(progress, transfers, count, now);
	}
	return interrupted.number ? -ECANCELED : 0;
}

int progress_end(struct progress *progress, int r, int *ret_status, struct cor_error *err)
{
	bool push = progress->push;
	unsigned rows, columns;

	if (progress->mode == PROGRESS_BARS && progress->next.count) {
		measure(&rows, &columns);
		draw(progress, rows, columns);
	}
	give_signals_back();
	words_release(&progress->next);
	words_release(&progress->drawn);
	free(progress->rates);
	free(progress->plain);
	*progress = (struct progress){0};
	if (r != -ECANCELED || !interrupted.number)
		return r;
	*ret_status = 128 + interrupted.number;
	return report_fail(err, COR_CANCELLED, ECANCELED,
			   push ? "interrupted: what arrived is kept, and the next push sends the rest"
				: "interrupted: what came is kept, and the next pull goes on from there");
}

int progress_stop(int *ret_status, struct cor_error *err)
{
	if (!interrupted.number)
		return 0;
	*ret_status = 128 + interrupted.number;
	return report_fail(err, COR_CANCELLED, ECANCELED, "interrupted");
}
