/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that people write: strict, without the surprises of strtol (leading space, signs, octal). */
#include "base/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

char *size_format(uint64_t bytes, char out[SIZE_TEXT_SIZE])
{
	static const char units[][2] = {"", "k", "m", "g", "t"};
	size_t unit = 0;

	for (; bytes && bytes % KIB == 0 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		bytes /= KIB;
	snprintf(out, SIZE_TEXT_SIZE, "%llu%s", (unsigned long long)bytes, units[unit]);
	return out;
}

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

int size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "kmgtp";
	size_t digits = strspn(text, "0123456789");
	const char *suffix = text + digits, *letter;
	unsigned shift = 0;
	char number[24];
	int64_t value;
	int r;

	if (digits >= sizeof(number))
		return -ERANGE;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (*suffix && strcasecmp(suffix, "b") != 0) {
		letter = strchr(letters, *suffix | 0x20);
		if (!letter || !*letter ||
		    (suffix[1] && strcasecmp(suffix + 1, "b") != 0 && strcasecmp(suffix + 1, "ib") != 0))
			return -EINVAL;
		shift = 10 * (unsigned)(letter - letters + 1);
	}
	r = number_parse(number, 0, INT64_MAX, &value);
	if (r < 0)
		return r;
	if ((uint64_t)value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_bytes = (uint64_t)value << shift;
	return 0;
}
