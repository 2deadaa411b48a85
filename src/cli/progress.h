/* SPDX-License-Identifier: Apache-2.0 */
/* What a pull or a push tells the person while it works, on standard error: bars on a terminal, lines elsewhere, or nothing. Also its ctrl-C: the
 * first signal cancels the call, a second one ends the command. */
#pragma once

#include "cli/arguments.h"
#include "cli/bars.h"
#include "cli/plain.h"

/* "--progress auto|plain|none" and "--quiet", for the tables of commands that have them; quiet is its sentence. */
#define OPTION_PROGRESS                                                                                      \
	{                                                                                                    \
		"progress", '\0', "HOW",                                                                     \
			"auto (bars on a terminal, lines elsewhere), plain (lines) or none",                 \
			.choices = "auto plain none"                                                         \
	}
#define OPTION_QUIET(what)                                                                                   \
	{                                                                                                    \
		"quiet", 'q', NULL, what                                                                     \
	}

enum progress_mode { PROGRESS_NONE, PROGRESS_PLAIN, PROGRESS_BARS };

/* auto and NULL: bars where standard error is a terminal that can move its cursor, which TERM=dumb says it cannot. Bars have no colour, so NO_COLOR does not matter. */
enum progress_mode progress_mode(const char *how, bool quiet);

struct progress {
	enum progress_mode mode;
	bool push;
	size_t count; /* of the two arrays, as many as there are transfers */
	struct rate *rates;
	struct plain *plain;
	struct words next;  /* the bars as they are now */
	struct words drawn; /* as they stand on the terminal */
	int64_t drawn_ns;
	size_t ended; /* transfers, when it was drawn */
};

/* progress_end must follow. One at a time. Signals are taken from the first progress_update on: before it nothing came that could be lost, and the library, which
 * may be waiting for a registry that is silent, could not be told. */
void progress_begin(struct progress *progress, enum progress_mode mode, bool push);

/* A cor_progress_fn. */
int progress_update(void *progress, const struct cor_transfer *transfers, size_t count);

/* The call ended with r and err. The bars stay as they were last; signals are again what they were. The result is r: a signal that came too late to change it
 * changes nothing. Where it is -ECANCELED for a signal, *ret_status is the exit status for that and err says what it means. */
int progress_end(struct progress *progress, int r, int *ret_status, struct cor_error *err);

/* Before what comes after a call: -ECANCELED, *ret_status and err where a signal came too late for the call. */
int progress_stop(int *ret_status, struct cor_error *err);
