/* SPDX-License-Identifier: Apache-2.0 */
/* An average in which a second counts less the longer ago it was. The weights of the samples are summed beside it, so that the first ones are
 * not drawn towards zero by a past that never was. */
#include "cli/rate.h"

#include "cli/text.h"

#define SECOND          INT64_C(1000000000)
#define SHORTEST_SAMPLE (SECOND / 10)
#define MEMORY_SECONDS  3.0
#define PATIENCE        (INT64_C(100) * 3600)

void rate_update(struct rate *rate, uint64_t bytes, int64_t now_ns)
{
	int64_t passed_ns = now_ns - rate->at_ns;
	double passed, share;

	if (rate->at_ns == 0 || bytes < rate->bytes) {
		rate->bytes = bytes;
		rate->at_ns = now_ns;
		return;
	}
	/* A moment too short says more about the scheduler than about the line. */
	if (passed_ns < SHORTEST_SAMPLE)
		return;
	passed = (double)passed_ns / (double)SECOND;
	share = passed / (passed + MEMORY_SECONDS);
	rate->sum += share * ((double)(bytes - rate->bytes) / passed - rate->sum);
	rate->weight += share * (1 - rate->weight);
	rate->bytes = bytes;
	rate->at_ns = now_ns;
}

double rate_per_second(const struct rate *rate)
{
	return rate->weight > 0 ? rate->sum / rate->weight : 0;
}

int64_t rate_seconds_left(double per_second, uint64_t bytes)
{
	double seconds = per_second > 0 ? (double)bytes / per_second : (double)PATIENCE;

	return seconds < (double)PATIENCE ? (int64_t)(seconds + 0.5) : -1;
}

char *rate_time(int64_t seconds)
{
	if (seconds < 0)
		return text_copy("");
	if (seconds < 60)
		return text_format("%ds", (int)seconds);
	if (seconds < 3600)
		return text_format("%dm%02ds", (int)(seconds / 60), (int)(seconds % 60));
	return text_format("%dh%02dm", (int)(seconds / 3600), (int)(seconds / 60 % 60));
}
