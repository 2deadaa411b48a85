/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer. What was consumed is reclaimed by moving the rest to the front only when room is needed,
 * so that a producer and a consumer that keep pace never copy. */
#include "base/buffer.h"

#include "base/str.h"

#include <assert.h>

uint8_t *buffer_reserve(struct buffer *b, size_t size)
{
	size_t held = buffer_size(b);

	if (b->capacity - b->end >= size)
		return b->data + b->end;
	if (b->start) {
		memmove(b->data, b->data + b->start, held);
		b->start = 0;
		b->end = held;
	}
	if (b->capacity - b->end < size) {
		size_t capacity = b->capacity ? b->capacity : 256;

		while (capacity - held < size)
			capacity *= 2;
		b->data = xreallocarray(b->data, capacity, 1);
		b->capacity = capacity;
	}
	return b->data + b->end;
}

void buffer_commit(struct buffer *b, size_t size)
{
	assert(b->capacity - b->end >= size);
	b->end += size;
}

void buffer_append(struct buffer *b, const void *bytes, size_t size)
{
	if (!size)
		return;
	memcpy(buffer_reserve(b, size), bytes, size);
	buffer_commit(b, size);
}

void buffer_printf(struct buffer *b, const char *fmt, ...)
{
	_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = str_vformat(fmt, ap);
	va_end(ap);
	buffer_append(b, text, strlen(text));
}

void buffer_consume(struct buffer *b, size_t size)
{
	assert(size <= buffer_size(b));
	b->start += size;
	if (b->start == b->end)
		b->start = b->end = 0;
}

void buffer_clear(struct buffer *b)
{
	b->start = b->end = 0;
}

void buffer_release(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}
