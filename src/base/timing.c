/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timing.h"

void timings_add(struct timings *timings, const char *track, const char *stage, uint64_t began_ns,
		 uint64_t at_ns)
{
	if (timings->count < TIMINGS_MAX)
		timings->items[timings->count++] =
			(struct timing){.track = track, .stage = stage, .began_ns = began_ns, .at_ns = at_ns};
}
