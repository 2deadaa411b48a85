/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and times as people write them on a command line. All are strict: nothing before, nothing behind. They return 0,
 * -EINVAL or -ERANGE. */
#pragma once

#include <stdint.h>

int value_number(const char *text, int64_t min, int64_t max, int64_t *ret);

/* "0.5", "2": at most 4096; 0 is as if nothing were said. */
int value_cpus(const char *text, double *ret);

/* "512", "64k", "1.5g", "2GiB": bytes, powers of 1024. */
int value_size(const char *text, uint64_t *ret_bytes);

/* "1h30m", "90s", "0.5s"; a bare number is seconds. */
int value_duration(const char *text, int64_t *ret_ns);

/* A moment since the epoch: RFC 3339 (zone optional: then UTC; time optional: then midnight), seconds since the epoch with a fraction,
 * or a duration before now_ns. */
int value_moment(const char *text, int64_t now_ns, int64_t *ret_ns);

/* This moment, in nanoseconds since the epoch. */
int64_t value_now(void);
