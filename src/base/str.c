/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and lists of strings. This is the one place that gives up when memory is out. */
#include "base/str.h"

#include <stdio.h>

static void *or_die(void *p)
{
	if (!p) {
		static const char text[] = "coracle: out of memory\n";

		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	return or_die(malloc(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return or_die(calloc(count ? count : 1, size ? size : 1));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
	return or_die(reallocarray(p, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return s ? or_die(strdup(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	return or_die(strndup(s, n));
}

void *xmemdup(const void *p, size_t size)
{
	void *copy = xmalloc(size);

	if (size)
		memcpy(copy, p, size);
	return copy;
}

char *str_vformat(const char *fmt, va_list ap)
{
	char *s = NULL;

	return or_die(vasprintf(&s, fmt, ap) < 0 ? NULL : s);
}

char *str_format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = str_vformat(fmt, ap);
	va_end(ap);
	return s;
}

void str_set(char **s, const char *value)
{
	char *copy = xstrdup(value);

	free(*s);
	*s = copy;
}

const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_made_of(const char *s, size_t max, const char *set)
{
	size_t n = s ? strlen(s) : 0;

	return n > 0 && n <= max && strspn(s, set) == n;
}

void strv_take(struct strv *v, char *s)
{
	v->items = xreallocarray(v->items, v->count + 2, sizeof(*v->items));
	v->items[v->count++] = s;
	v->items[v->count] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(v, str_vformat(fmt, ap));
	va_end(ap);
}

void strv_add_all(struct strv *v, const struct strv *more)
{
	for (size_t i = 0; i < more->count; i++)
		strv_add(v, more->items[i]);
}

bool strv_contains(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->items[i], s) == 0)
			return true;
	return false;
}

struct strv strv_split(const char *s, char separator)
{
	struct strv v = {0};
	const char *end;

	while ((end = strchr(s, separator))) {
		strv_take(&v, xstrndup(s, (size_t)(end - s)));
		s = end + 1;
	}
	strv_add(&v, s);
	return v;
}

char *strv_join(const struct strv *v, const char *separator)
{
	size_t gap = strlen(separator), size = 1;
	char *joined, *p;

	for (size_t i = 0; i < v->count; i++)
		size += strlen(v->items[i]) + gap;
	p = joined = xmalloc(size);
	for (size_t i = 0; i < v->count; i++) {
		if (i)
			p = stpcpy(p, separator);
		p = stpcpy(p, v->items[i]);
	}
	*p = '\0';
	return joined;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	if (v->count)
		qsort(v->items, v->count, sizeof(*v->items), by_bytes);
}

void strv_release(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv){0};
}
