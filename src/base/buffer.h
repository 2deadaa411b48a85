/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow at the end and are consumed from the front. */
#pragma once

#include "base/macro.h"
#include "base/cleanup.h"

#include <stdint.h>
#include <stddef.h>

struct buffer {
	uint8_t *data; /* start of the allocation */
	size_t start;  /* consumed so far */
	size_t end;    /* one past the last byte held */
	size_t capacity;
};

static inline size_t buffer_size(const struct buffer *b)
{
	return b->end - b->start;
}

static inline uint8_t *buffer_bytes(const struct buffer *b)
{
	return b->data ? b->data + b->start : NULL;
}

/* Makes room for size more bytes at the end and returns where they go; buffer_commit says how many came. */
uint8_t *buffer_reserve(struct buffer *b, size_t size);
void buffer_commit(struct buffer *b, size_t size);
void buffer_append(struct buffer *b, const void *bytes, size_t size);
void buffer_printf(struct buffer *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops size bytes from the front. */
void buffer_consume(struct buffer *b, size_t size);
void buffer_clear(struct buffer *b);
void buffer_release(struct buffer *b);

#define _buffer_ _cleanup_(buffer_release)
