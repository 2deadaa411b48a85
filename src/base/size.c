/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that people write: strict, without the surprises of strtol (leading space, signs, octal). */
#include "base/size.h"

#include <errno.h>
#include <stdbool.h>

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
