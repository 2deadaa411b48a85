/* SPDX-License-Identifier: Apache-2.0 */
/* Time: reading clocks, and the text forms of instants and durations. */
#include "base/clock.h"

#include "base/macro.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

int64_t clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

char *clock_format(int64_t realtime_ns, char out[CLOCK_RFC3339_SIZE])
{
	int64_t ns = realtime_ns % NS_PER_SECOND;
	time_t seconds = realtime_ns / NS_PER_SECOND;
	struct tm tm;

	if (ns < 0) {
		ns += NS_PER_SECOND;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	snprintf(out, CLOCK_RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", (tm.tm_year + 1900) % 10000,
		 (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100,
		 (int)ns);
	return out;
}

/* The digits after a decimal point, as nanoseconds; what is finer is cut. Returns the first byte after them. */
static const char *parse_fraction(const char *p, int64_t *ns)
{
	int64_t unit = NS_PER_SECOND / 10;

	*ns = 0;
	for (; *p >= '0' && *p <= '9'; p++, unit /= 10)
		*ns += (*p - '0') * unit;
	return p;
}

/* Exactly n digits; -1 where something else stands. The C library's readers would take blanks and signs too. */
static int take_digits(const char **p, int n)
{
	int value = 0;

	for (; n > 0; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

/* Digits up to max, and the byte that ends them (NUL: any). -1 if it is not so. */
static int take_field(const char **p, int n, int min, int max, char end)
{
	int value = take_digits(p, n);

	if (value < min || value > max || (end && *(*p)++ != end))
		return -1;
	return value;
}

/* "Z" or "+02:00", and nothing behind it: seconds east of Greenwich. */
static int parse_offset(const char *p, int64_t *ret_seconds)
{
	int sign = *p == '-' ? -1 : 1, hours, minutes;

	*ret_seconds = 0;
	if (strcasecmp(p, "z") == 0)
		return 0;
	if (*p != '+' && *p != '-')
		return -EINVAL;
	p++;
	hours = take_field(&p, 2, 0, 23, ':');
	minutes = hours < 0 ? -1 : take_field(&p, 2, 0, 59, '\0');
	if (minutes < 0 || *p)
		return -EINVAL;
	*ret_seconds = sign * (hours * 60 + minutes) * INT64_C(60);
	return 0;
}

/* "2026-01-31T12:00:00"; *p ends behind it. The day must be one of that month. */
static int parse_second(const char **p, int64_t *ret_seconds)
{
	struct tm tm = {0}, day;

	/* Each field is looked at only where those before it were right, so that nothing is read beyond the end. */
	if ((tm.tm_year = take_field(p, 4, 0, 9999, '-') - 1900) < -1900 ||
	    (tm.tm_mon = take_field(p, 2, 1, 12, '-') - 1) < 0 ||
	    (tm.tm_mday = take_field(p, 2, 1, 31, '\0')) < 0 || (*(*p)++ | 0x20) != 't' ||
	    (tm.tm_hour = take_field(p, 2, 0, 23, ':')) < 0 ||
	    (tm.tm_min = take_field(p, 2, 0, 59, ':')) < 0 || (tm.tm_sec = take_field(p, 2, 0, 60, '\0')) < 0)
		return -EINVAL;
	day = (struct tm){.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday};
	timegm(&day);
	if (day.tm_mday != tm.tm_mday)
		return -EINVAL;
	*ret_seconds = timegm(&tm);
	return 0;
}

int clock_parse(const char *text, int64_t *ret_realtime_ns)
{
	int64_t fraction = 0, offset, seconds;
	const char *p = text;

	if (parse_second(&p, &seconds) < 0)
		return -EINVAL;
	if (*p == '.') {
		if (p[1] < '0' || p[1] > '9')
			return -EINVAL;
		p = parse_fraction(p + 1, &fraction);
	}
	if (parse_offset(p, &offset) < 0)
		return -EINVAL;
	if (seconds > INT64_MAX / NS_PER_SECOND - 86400 || seconds < INT64_MIN / NS_PER_SECOND + 86400)
		return -EINVAL;
	*ret_realtime_ns = (seconds - offset) * NS_PER_SECOND + fraction;
	return 0;
}
