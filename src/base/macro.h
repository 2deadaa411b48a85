/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros that C lacks. */
#pragma once

#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define MIN(a, b)                                                                                            \
	({                                                                                                   \
		__typeof__(a) min_a_ = (a);                                                                  \
		__typeof__(b) min_b_ = (b);                                                                  \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                           \
	})

#define MAX(a, b)                                                                                            \
	({                                                                                                   \
		__typeof__(a) max_a_ = (a);                                                                  \
		__typeof__(b) max_b_ = (b);                                                                  \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                           \
	})

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED                 __attribute__((unused))
