/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, lists of words and release at the end of scope. The command stands on the installed headers alone, so it brings its
 * own few. Out of memory ends the command. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

void text_freep(void *pointer_to_pointer);
#define _text_ _cleanup_(text_freep)

void *memory_new(size_t count, size_t size); /* zeroed, never NULL */
char *text_copy(const char *s);
char *text_format(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *text_vformat(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);
bool text_same(const char *a, const char *b); /* NULL is like nothing but NULL */
/* The rest of s after prefix, or NULL. */
const char *text_after(const char *s, const char *prefix);
/* True if word is one of the space-separated words of list, which may be NULL. */
bool text_among(const char *list, const char *word);
/* The first word of *list; advances *list behind it. NULL at the end. The caller's. */
char *text_next_word(const char **list);
/* A copy in which control characters (also those of C1 in UTF-8) are '?': what images and guests wrote must not steer a terminal. */
char *text_printable(const char *s);

/* A list of words; items is NULL while empty, else NULL-terminated. Empty is {0}. */
struct words {
	char **items;
	size_t count;
};

void words_add(struct words *words, const char *word);
void words_take(struct words *words, char *word); /* takes ownership */
void words_release(struct words *words);
#define _words_ _cleanup_(words_release)

/* The items as libcoracle takes lists. */
static inline const char *const *words_list(const struct words *words)
{
	return (const char *const *)words->items;
}
