/* SPDX-License-Identifier: Apache-2.0 */
/* Time: monotonic for intervals, wall clock in RFC 3339 for people and files. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t clock_monotonic_ns(void);
int64_t clock_realtime_ns(void); /* since the epoch */

#define CLOCK_RFC3339_SIZE 40

/* UTC with nanoseconds: 2026-01-31T12:00:00.000000000Z (RFC 3339, section 5.6). Returns out. */
char *clock_format(int64_t realtime_ns, char out[CLOCK_RFC3339_SIZE]);

/* Reads RFC 3339 with any fraction (what is finer than a nanosecond is cut) and offset, strictly. 0, or -EINVAL also for a year that nanoseconds
 * since 1970 cannot tell (before 1678, after 2261). */
int clock_parse(const char *text, int64_t *ret_realtime_ns);
