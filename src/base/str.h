/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and lists of strings. Out of memory ends the process: no caller
 * can do anything useful about a few bytes that are missing, and every caller would have to try. Sizes that come
 * from outside are capped before they get here. */
#pragma once

#include "base/cleanup.h"
#include "base/macro.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* malloc and friends that do not return NULL; sizes are overflow-checked. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t size);

/* A new formatted string, the caller's. */
char *str_format(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *str_vformat(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

/* Replaces *s, which may be NULL and must be heap memory, by a copy of value. */
void str_set(char **s, const char *value);

static inline bool str_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static inline bool str_empty(const char *s)
{
	return !s || !*s;
}

/* The rest of s after prefix, or NULL where s does not begin with it. */
const char *str_after(const char *s, const char *prefix);

/* True if s has length 1..max and only bytes of the given set. */
bool str_made_of(const char *s, size_t max, const char *set);

/* A list of strings: NULL-terminated items, which the list owns. Empty is {0}. */
struct strv {
	char **items; /* NULL while empty, otherwise count items and a NULL */
	size_t count;
};

void strv_add(struct strv *v, const char *s);
void strv_take(struct strv *v, char *s); /* takes ownership of s */
void strv_addf(struct strv *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strv_add_all(struct strv *v, const struct strv *more);
bool strv_contains(const struct strv *v, const char *s);
/* Splits s at each separator; empty parts are kept. */
struct strv strv_split(const char *s, char separator);
char *strv_join(const struct strv *v, const char *separator);
void strv_sort(struct strv *v);
void strv_release(struct strv *v);

#define _strv_ _cleanup_(strv_release)
#define strv_foreach(v, index, item)                                                                         \
	for (size_t index = 0; index < (v)->count && ((item) = (v)->items[index], 1); index++)
