/* SPDX-License-Identifier: Apache-2.0 */
/* A line that breaks again and again must not fill a log: after the first, the lines of one transfer are some seconds apart, but for its end. */
#include "cli/plain.h"

#include "cli/bars.h"
#include "cli/table.h"

#define APART_NS (5 * INT64_C(1000000000))

/* "12 MB of 30 MB, 2.1 MB/s, 8s left" */
static char *how_far(const struct cor_transfer *t, const struct rate *rate)
{
	double per_second = rate_per_second(rate);
	uint64_t rest = t->done < t->total ? t->total - t->done : 0;
	_text_ char *done = table_size(t->done), *total = table_size(t->total);
	_text_ char *speed = table_size((uint64_t)per_second);
	_text_ char *left = rate_time(rate_seconds_left(per_second, rest));

	if (per_second < 1)
		return text_format("%s of %s", done, total);
	return text_format("%s of %s, %s/s%s%s%s", done, total, speed, *left ? ", " : "", left,
			   *left ? " left" : "");
}

static char *beginning(const struct cor_transfer *t, bool push)
{
	const char *state = bars_state(t->state, push);
	_text_ char *total = table_size(t->total), *done = table_size(t->done);

	return t->done ? text_format("%s %s, of which %s came before", state, total, done)
		       : text_format("%s %s", state, total);
}

/* What to say, or NULL. */
static char *news(const struct plain *plain, const struct cor_transfer *t, const struct rate *rate, bool push,
		  bool due)
{
	bool changed = plain->state != t->state;

	switch (t->state) {
	case COR_TRANSFER_WAITING:
		return NULL;
	case COR_TRANSFER_RUNNING:
		return !plain->begun ? beginning(t, push) : due ? how_far(t, rate) : NULL;
	case COR_TRANSFER_RETRYING:
		return changed && due ? text_copy(bars_state(t->state, push)) : NULL;
	default:
		if (!changed)
			return NULL;
		/* It was here, and has been unpacked: to say the first again would be odd. */
		if (plain->state == COR_TRANSFER_UNPACKING)
			return text_copy(bars_state(COR_TRANSFER_DONE, push));
		return text_copy(bars_state(t->state, push));
	}
}

void plain_lines(struct plain *plain, const struct cor_transfer *transfer, const struct rate *rate, bool push,
		 int64_t now_ns, struct words *lines)
{
	bool due = plain->said_ns == 0 || now_ns - plain->said_ns >= APART_NS;
	_text_ char *text = news(plain, transfer, rate, push, due);
	_text_ char *digits = text ? bars_digest(transfer->digest) : NULL;

	/* A retry that was not told is told when it lasts. */
	if (text || transfer->state != COR_TRANSFER_RETRYING)
		plain->state = transfer->state;
	plain->begun |= transfer->state == COR_TRANSFER_RUNNING;
	if (!text)
		return;
	plain->said_ns = now_ns;
	words_take(lines, text_format("%s: %s", digits, text));
}
