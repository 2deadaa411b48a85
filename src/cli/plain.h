/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers as lines for a log: one for each change, and one now and then for what takes long. Nothing is printed here. */
#pragma once

#include "cli/rate.h"
#include "cli/text.h"
#include "coracle/registry.h"

/* What was said of one transfer. Zero is one of which nothing was said. */
struct plain {
	enum cor_transfer_state state;
	bool begun;
	int64_t said_ns; /* when, by the clock of now_ns; 0: never */
};

/* Adds to *lines what is to be said now, if anything. */
void plain_lines(struct plain *plain, const struct cor_transfer *transfer, const struct rate *rate, bool push,
		 int64_t now_ns, struct words *lines);
