/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers as lines of a terminal: a bar for each, as many as the window holds. Nothing is printed here. */
#pragma once

#include "cli/rate.h"
#include "cli/text.h"
#include "coracle/registry.h"

/* What a person calls the state; push: bytes go the other way. */
const char *bars_state(enum cor_transfer_state state, bool push);

/* The first digits of a digest, harmless for a terminal. The caller's. */
char *bars_digest(const char *digest);

/* Whether nothing of it is still to come. */
bool bars_ended(const struct cor_transfer *t);

struct bars {
	const struct cor_transfer *transfers;
	const struct rate *rates; /* as many */
	size_t count;
	bool push;
	unsigned rows, columns; /* of the window; 0: not known */
};

/* Adds the lines to *lines: none is wider than the window, and all of them leave it one row for the cursor. With more transfers than rows those that move
 * are shown, and a line that sums up. */
void bars_lines(const struct bars *bars, struct words *lines);
