/* SPDX-License-Identifier: Apache-2.0 */
/* Readers for what people write. Integers throughout, since floating point and the C library's readers accept too much (hex,
 * "inf", leading space) and depend on the locale. */
#include "cli/value.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NANOSECONDS INT64_C(1000000000)

/* Reads digits with an optional fraction into whole and billionths; returns where they end, or NULL. */
static const char *read_decimal(const char *p, int64_t *ret_whole, int64_t *ret_billionths)
{
	int64_t whole = 0, fraction = 0, scale = NANOSECONDS;

	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *p - '0', &whole))
			return NULL;
	if (*p == '.') {
		if (p[1] < '0' || p[1] > '9')
			return NULL;
		for (p++; *p >= '0' && *p <= '9'; p++) {
			scale /= 10;
			fraction += (*p - '0') * scale;
		}
	}
	*ret_whole = whole;
	*ret_billionths = fraction;
	return p;
}

int value_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	bool minus = *text == '-';
	int64_t value = 0;

	text += minus;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, minus ? '0' - *text : *text - '0', &value))
			return -ERANGE;
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int value_cpus(const char *text, double *ret)
{
	int64_t whole, billionths;
	const char *end = read_decimal(text, &whole, &billionths);

	if (!end || *end)
		return -EINVAL;
	if (whole > 4096 || (whole == 4096 && billionths))
		return -ERANGE;
	*ret = (double)whole + (double)billionths / 1e9;
	return 0;
}

int value_size(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "kmgtp";
	int64_t whole, billionths;
	const char *suffix = read_decimal(text, &whole, &billionths), *letter;
	uint64_t unit = 1, bytes, part;

	if (!suffix)
		return -EINVAL;
	if (*suffix && strcasecmp(suffix, "b") != 0) {
		letter = strchr(letters, *suffix | 0x20);
		if (!letter || !*letter ||
		    (suffix[1] && strcasecmp(suffix + 1, "b") && strcasecmp(suffix + 1, "ib")))
			return -EINVAL;
		unit <<= 10 * (letter - letters + 1);
	}
	/* The fraction in two steps, so that it does not overflow: 2^50 * 10^9 would. */
	part = unit / NANOSECONDS * (uint64_t)billionths +
	       unit % NANOSECONDS * (uint64_t)billionths / NANOSECONDS;
	if (__builtin_mul_overflow((uint64_t)whole, unit, &bytes) ||
	    __builtin_add_overflow(bytes, part, &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

/* Nanoseconds in the unit that p begins with; moves *p behind it. 0: none. */
static int64_t take_unit(const char **p)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		/* "ms" before "m". */
		{"ns", 1},
		{"us", 1000},
		{"ms", 1000000},
		{"s", NANOSECONDS},
		{"m", 60 * NANOSECONDS},
		{"h", 3600 * NANOSECONDS},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*p, units[i].name, n) == 0) {
			*p += n;
			return units[i].ns;
		}
	}
	return 0;
}

int value_duration(const char *text, int64_t *ret_ns)
{
	int64_t total = 0, whole, billionths, unit, part;
	const char *p = text;

	if (!*p)
		return -EINVAL;
	while (*p) {
		bool first = p == text;

		p = read_decimal(p, &whole, &billionths);
		if (!p)
			return -EINVAL;
		unit = *p ? take_unit(&p) : first ? NANOSECONDS : 0;
		if (!unit)
			return -EINVAL;
		part = (int64_t)((__int128)billionths * unit / NANOSECONDS);
		if (__builtin_mul_overflow(whole, unit, &whole) ||
		    __builtin_add_overflow(total, whole, &total) ||
		    __builtin_add_overflow(total, part, &total))
			return -ERANGE;
	}
	*ret_ns = total;
	return 0;
}

/* Exactly n digits; -1 if there are others. */
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

static bool take(const char **p, const char *set)
{
	if (!**p || !strchr(set, **p))
		return false;
	(*p)++;
	return true;
}

/* "Z", "+02:00" or nothing: seconds east of Greenwich. */
static int read_zone(const char *p, int *ret_seconds)
{
	int sign, hours, minutes;

	*ret_seconds = 0;
	if (!*p || strcasecmp(p, "z") == 0)
		return 0;
	if (*p != '+' && *p != '-')
		return -EINVAL;
	sign = *p++ == '-' ? -1 : 1;
	hours = take_digits(&p, 2);
	if (hours < 0 || hours > 23 || !take(&p, ":"))
		return -EINVAL;
	minutes = take_digits(&p, 2);
	if (minutes < 0 || minutes > 59 || *p)
		return -EINVAL;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return 0;
}

static int read_time_of_day(const char **p, struct tm *tm, int64_t *ret_ns)
{
	int64_t seconds, billionths = 0;
	char digits[24];
	int n;

	tm->tm_hour = take_digits(p, 2);
	if (tm->tm_hour < 0 || tm->tm_hour > 23 || !take(p, ":"))
		return -EINVAL;
	tm->tm_min = take_digits(p, 2);
	if (tm->tm_min < 0 || tm->tm_min > 59)
		return -EINVAL;
	if (!take(p, ":"))
		return 0;
	tm->tm_sec = take_digits(p, 2);
	if (tm->tm_sec < 0 || tm->tm_sec > 60)
		return -EINVAL;
	if (**p == '.') {
		n = (int)strspn(*p + 1, "0123456789");
		if (n == 0 || n > 18)
			return -EINVAL;
		snprintf(digits, sizeof(digits), "0.%.*s", n, *p + 1);
		read_decimal(digits, &seconds, &billionths);
		*p += n + 1;
	}
	*ret_ns = billionths;
	return 0;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static int read_calendar(const char *p, int64_t *ret_ns)
{
	struct tm tm = {0};
	int year, month, zone = 0;
	int64_t ns = 0, seconds;

	year = take_digits(&p, 4);
	if (year < 1970 || year > 2200 || !take(&p, "-"))
		return -EINVAL;
	month = take_digits(&p, 2);
	if (month < 1 || month > 12 || !take(&p, "-"))
		return -EINVAL;
	tm.tm_mday = take_digits(&p, 2);
	if (tm.tm_mday < 1 || tm.tm_mday > days_in_month(year, month))
		return -EINVAL;
	if (take(&p, "Tt ") ? read_time_of_day(&p, &tm, &ns) < 0 || read_zone(p, &zone) < 0 : *p != '\0')
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	seconds = (int64_t)timegm(&tm) - zone;
	*ret_ns = seconds * NANOSECONDS + ns;
	return 0;
}

int value_moment(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	int64_t whole, billionths, duration;
	const char *end;
	int r;

	if (strlen(text) >= 5 && strspn(text, "0123456789") == 4 && text[4] == '-')
		return read_calendar(text, ret_ns);
	end = read_decimal(text, &whole, &billionths);
	if (end && !*end) {
		if (whole > INT64_MAX / NANOSECONDS - 1)
			return -ERANGE;
		*ret_ns = whole * NANOSECONDS + billionths;
		return 0;
	}
	r = value_duration(text, &duration);
	if (r < 0)
		return r;
	*ret_ns = now_ns > duration ? now_ns - duration : 0;
	return 0;
}

int64_t value_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
