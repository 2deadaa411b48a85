/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that people write: strict, without the surprises of strtol (leading space, signs, octal). */
#include "base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	bool minus = *text == '-';
	const char *p = text + minus;
	int64_t value = 0;

	if (!*p)
		return -EINVAL;
	for (; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, minus ? -(*p - '0') : *p - '0', &value))
			return -ERANGE;
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

/* The power of 1024 that a suffix stands for, or -1. */
static int suffix_power(const char *suffix)
{
	static const char letters[] = "kmgtp";
	const char *letter;

	if (!*suffix || strcasecmp(suffix, "b") == 0)
		return 0;
	letter = strchr(letters, *suffix | 0x20);
	if (!letter || !*letter)
		return -1;
	if (suffix[1] && strcasecmp(suffix + 1, "b") != 0 && strcasecmp(suffix + 1, "ib") != 0)
		return -1;
	return (int)(letter - letters) + 1;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole = 0, thousandths = 0, scale = 1000, unit, bytes;
	const char *p = text;
	int power;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *p - '0', &whole))
			return -ERANGE;
	if (*p == '.') {
		if (p[1] < '0' || p[1] > '9')
			return -EINVAL;
		for (p++; *p >= '0' && *p <= '9'; p++) {
			scale /= 10;
			thousandths += (uint64_t)(*p - '0') * scale;
		}
	}
	power = suffix_power(p);
	if (power < 0)
		return -EINVAL;
	unit = UINT64_C(1) << (10 * power);
	if (__builtin_mul_overflow(whole, unit, &bytes) || unit > UINT64_MAX / 1000 ||
	    __builtin_add_overflow(bytes, thousandths * unit / 1000, &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}
