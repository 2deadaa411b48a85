/* SPDX-License-Identifier: Apache-2.0 */
/* The columns, in the order in which a line has them, and the order in which they are given room; what does not fit leaves it to the next:
 *
 *   0123456789ab  downloading   [======>           ]    30 MB/120 MB   9.9 MB/s   1m05s
 *   digest        state         bar (3.)                sizes (2.)     rate (4.)  left (5.)
 */
#include "cli/bars.h"

#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS    12
#define HEAD      (DIGITS + 2 + 13) /* the longest state is "there already" */
#define SIZES     (2 + 13)
#define RATE      (2 + 8)
#define LEFT      (2 + 6)
#define FRAME     4 /* two blanks and two brackets */
#define BAR_LEAST 8
#define BAR_MOST  50

struct columns {
	int width, bar;
	bool sizes, rate, left;
};

const char *bars_state(enum cor_transfer_state state, bool push)
{
	switch (state) {
	case COR_TRANSFER_WAITING:
		return "waiting";
	case COR_TRANSFER_RUNNING:
		return push ? "uploading" : "downloading";
	case COR_TRANSFER_RETRYING:
		return "retrying";
	case COR_TRANSFER_UNPACKING:
		return "unpacking";
	case COR_TRANSFER_DONE:
		return "done";
	case COR_TRANSFER_EXISTS:
		return push ? "there already" : "here already";
	case COR_TRANSFER_MOUNTED:
		return "mounted";
	}
	return "";
}

char *bars_digest(const char *digest)
{
	const char *colon = strchr(digest, ':');
	_text_ char *digits = text_format("%.*s", DIGITS, colon ? colon + 1 : digest);

	return text_printable(digits);
}

static bool moves(const struct cor_transfer *t)
{
	return t->state == COR_TRANSFER_RUNNING || t->state == COR_TRANSFER_RETRYING ||
	       t->state == COR_TRANSFER_UNPACKING;
}

bool bars_ended(const struct cor_transfer *t)
{
	return !moves(t) && t->state != COR_TRANSFER_WAITING;
}

/* What a registry says may be nonsense; a bar never runs over its end. */
static uint64_t done_of(const struct cor_transfer *t)
{
	return t->done < t->total ? t->done : t->total;
}

static bool take(int *left, int width)
{
	if (*left < width)
		return false;
	*left -= width;
	return true;
}

static struct columns columns_of(unsigned width)
{
	/* The last column stays empty: some terminals begin a new line behind it. */
	struct columns c = {.width = width > 1 && width < 10000 ? (int)width - 1 : 79};
	int left = c.width - HEAD;

	c.sizes = take(&left, SIZES);
	c.bar = take(&left, FRAME + BAR_LEAST) ? BAR_LEAST : 0;
	c.rate = take(&left, RATE);
	c.left = take(&left, LEFT);
	if (c.bar && left > 0)
		c.bar = c.bar + left < BAR_MOST ? c.bar + left : BAR_MOST;
	return c;
}

/* "[=====>    ]" of width signs between the brackets. The caller's. */
static char *bar_text(uint64_t done, uint64_t total, int width)
{
	int full = total ? (int)((double)done / (double)total * width) : width;
	char *text = text_format("[%*s]", width, "");

	memset(text + 1, '=', (size_t)full);
	if (full < width && done > 0)
		text[1 + full] = '>';
	return text;
}

static char *rate_text(double per_second)
{
	_text_ char *size = NULL;

	if (per_second < 1)
		return text_copy("");
	size = table_size((uint64_t)per_second);
	return text_format("%s/s", size);
}

/* Puts a line together and cuts it to the window. bar is NULL where there is none. */
static char *join(const struct columns *c, const char *head, const char *bar, uint64_t done, uint64_t total,
		  double per_second)
{
	_text_ char *have = table_size(done), *of = table_size(total);
	_text_ char *sizes = text_format("  %6s/%-6s", have, of);
	_text_ char *speed = rate_text(per_second);
	_text_ char *rate = text_format("  %8s", speed);
	_text_ char *time = rate_time(per_second < 1 ? -1 : rate_seconds_left(per_second, total - done));
	_text_ char *left = text_format("  %6s", time);
	_text_ char *whole = text_format("%-*s%s%s%s%s%s", HEAD, head, bar ? "  " : "", bar ? bar : "",
					 c->sizes ? sizes : "", c->rate ? rate : "", c->left ? left : "");
	size_t length = strlen(whole);

	while (length > 0 && whole[length - 1] == ' ')
		length--;
	return text_format("%.*s", length < (size_t)c->width ? (int)length : c->width, whole);
}

static char *transfer_line(const struct bars *bars, size_t i, const struct columns *c)
{
	const struct cor_transfer *t = &bars->transfers[i];
	_text_ char *digits = bars_digest(t->digest);
	_text_ char *head = text_format("%-*s  %s", DIGITS, digits, bars_state(t->state, bars->push));
	_text_ char *bar = NULL;

	/* Nothing was or will be sent, or nothing yet: sizes would mislead. */
	if (t->state == COR_TRANSFER_EXISTS || t->state == COR_TRANSFER_MOUNTED ||
	    (t->state == COR_TRANSFER_WAITING && t->done == 0))
		return text_format("%.*s", c->width, head);
	bar = c->bar ? bar_text(done_of(t), t->total, c->bar) : NULL;
	return join(c, head, bar, done_of(t), t->total,
		    t->state == COR_TRANSFER_RUNNING ? rate_per_second(&bars->rates[i]) : 0);
}

static char *sum_line(const struct bars *bars, const struct columns *c)
{
	uint64_t done = 0, total = 0;
	size_t finished = 0;
	double per_second = 0;
	_text_ char *head = NULL, *bar = NULL;

	for (size_t i = 0; i < bars->count; i++) {
		const struct cor_transfer *t = &bars->transfers[i];

		finished += bars_ended(t);
		if (t->state == COR_TRANSFER_EXISTS || t->state == COR_TRANSFER_MOUNTED)
			continue;
		/* Sums of what others say may not run over. */
		if (__builtin_add_overflow(total, t->total, &total))
			total = UINT64_MAX;
		done = done + done_of(t) < done ? total : done + done_of(t);
		if (t->state == COR_TRANSFER_RUNNING)
			per_second += rate_per_second(&bars->rates[i]);
	}
	head = text_format("%zu of %zu done", finished, bars->count);
	bar = c->bar ? bar_text(done, total, c->bar) : NULL;
	return join(c, head, bar, done, total, per_second);
}

/* Marks those for which there is room: what moves first, then what waits. */
static void choose(const struct bars *bars, size_t room, bool *chosen)
{
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < bars->count && room > 0; i++) {
			const struct cor_transfer *t = &bars->transfers[i];

			if (pass == 0 ? moves(t) : t->state == COR_TRANSFER_WAITING) {
				chosen[i] = true;
				room--;
			}
		}
}

void bars_lines(const struct bars *bars, struct words *lines)
{
	size_t room = bars->rows > 1 ? bars->rows - 1 : bars->rows ? 1 : 23;
	struct columns c = columns_of(bars->columns);
	_text_ bool *chosen = memory_new(bars->count, sizeof(*chosen));

	if (bars->count <= room)
		memset(chosen, true, bars->count);
	else
		choose(bars, room - 1, chosen);
	for (size_t i = 0; i < bars->count; i++)
		if (chosen[i])
			words_take(lines, transfer_line(bars, i, &c));
	if (bars->count > room)
		words_take(lines, sum_line(bars, &c));
}
