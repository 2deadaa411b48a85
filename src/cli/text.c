/* SPDX-License-Identifier: Apache-2.0 */
/* The command's own strings: small on purpose, since everything that matters happens in libcoracle. */
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_exit(void *p)
{
	if (!p) {
		fputs("coracle: out of memory\n", stderr);
		abort();
	}
	return p;
}

void text_freep(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

void *memory_new(size_t count, size_t size)
{
	return or_exit(calloc(count ? count : 1, size));
}

char *text_copy(const char *s)
{
	return or_exit(strdup(s));
}

char *text_vformat(const char *fmt, va_list ap)
{
	char *s = NULL;

	return or_exit(vasprintf(&s, fmt, ap) < 0 ? NULL : s);
}

char *text_format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = text_vformat(fmt, ap);
	va_end(ap);
	return s;
}

bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

const char *text_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

char *text_next_word(const char **list)
{
	const char *start;

	if (!*list)
		return NULL;
	start = *list + strspn(*list, " ");
	*list = start + strcspn(start, " ");
	return *list == start ? NULL : or_exit(strndup(start, (size_t)(*list - start)));
}

bool text_among(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (list && *(list += strspn(list, " "))) {
		size_t length = strcspn(list, " ");

		if (length == n && memcmp(list, word, n) == 0)
			return true;
		list += length;
	}
	return false;
}

char *text_printable(const char *s)
{
	char *copy = text_copy(s), *out = copy;

	for (const unsigned char *p = (const unsigned char *)copy; *p; p++) {
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			*out++ = '?';
			p++;
		} else {
			*out++ = *p < 0x20 || *p == 0x7f ? '?' : (char)*p;
		}
	}
	*out = '\0';
	return copy;
}

void words_take(struct words *words, char *word)
{
	words->items = or_exit(reallocarray(words->items, words->count + 2, sizeof(*words->items)));
	words->items[words->count++] = word;
	words->items[words->count] = NULL;
}

void words_add(struct words *words, const char *word)
{
	words_take(words, text_copy(word));
}

void words_release(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
	free(words->items);
	*words = (struct words){0};
}
