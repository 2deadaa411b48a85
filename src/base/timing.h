/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of a start goes: moments, each the end of what was waited for since the one before, and spans beside them. All by the monotonic clock. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TIMINGS_MAX 64 /* what comes after these is not kept */

struct timing {
	const char *track; /* whose time it was: "coracle", "shim", "VMM", "guest"; borrowed, as is stage */
	const char *stage;
	uint64_t began_ns; /* 0: a moment */
	uint64_t at_ns;
};

struct timings {
	struct timing items[TIMINGS_MAX];
	size_t count;
};

void timings_add(struct timings *timings, const char *track, const char *stage, uint64_t began_ns,
		 uint64_t at_ns);
