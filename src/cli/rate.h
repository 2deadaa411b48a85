/* SPDX-License-Identifier: Apache-2.0 */
/* How fast something goes, smoothed over some seconds, and how long the rest of it takes. */
#pragma once

#include <stdint.h>

/* Zero is one that knows nothing yet. */
struct rate {
	uint64_t bytes; /* at the last sample */
	int64_t at_ns;  /* of the last sample, by a clock that is never 0; 0: none yet */
	double sum, weight;
};

/* bytes: all that is done by now, also what was there at the start, which does not count. Fewer than before are a new beginning. */
void rate_update(struct rate *rate, uint64_t bytes, int64_t now_ns);

/* Bytes a second; 0 while it is not known. */
double rate_per_second(const struct rate *rate);

/* Seconds until as many bytes more are done at so many a second; -1 where that is not known, or beyond all patience. */
int64_t rate_seconds_left(double per_second, uint64_t bytes);

/* "8s", "1m05s", "2h03m"; "" for -1. The caller's. */
char *rate_time(int64_t seconds);
