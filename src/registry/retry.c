/* SPDX-License-Identifier: Apache-2.0 */
/* Doubling pauses, with some chance in them so that many who failed together do not come back together. */
#include "registry/retry.h"

#include "base/clock.h"

int retry_delay(struct retry *retry, const struct limits *limits, const struct exchange_result *result)
{
	uint64_t ms = limits->backoff_ms, chance = clock_monotonic_ns() / 1000;

	if (result->outcome != OUTCOME_BROKEN)
		return -1;
	/* One that says nothing has cost half a minute already. */
	retry->failures += result->error->status == COR_TIMEOUT ? 2 : 1;
	if (retry->failures >= limits->attempts)
		return -1;
	for (unsigned i = 1; i < retry->failures && ms < limits->backoff_max_ms; i++)
		ms *= 2;
	ms += chance % (ms / 4 + 1);
	return (int)MIN(MAX(ms, (uint64_t)result->wait_ms), (uint64_t)limits->backoff_max_ms);
}

void retry_progress(struct retry *retry, size_t bytes)
{
	retry->progress += bytes;
	if (retry->progress < RETRY_PROGRESS)
		return;
	retry->progress = 0;
	if (retry->failures > 0)
		retry->failures--;
}
