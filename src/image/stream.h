/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a layer without their compression (decompress.h), hashed on the way. A thread of its own does this, a few pieces ahead of who reads. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "image/source.h"

#include <stddef.h>
#include <stdint.h>

struct stream;

/* Begins to read at once. Takes ownership of the source, also on failure. */
int stream_open(struct source source, struct stream **ret, struct cor_error *err);
/* Ends the thread, also in the middle. */
void stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream *, stream_free)

/* The next piece, which stays until the next call; *ret_size is 0 at the end. Blocks. Errors as decompress_read. */
int stream_read(struct stream *stream, const void **ret, size_t *ret_size, struct cor_error *err);

/* After the end: of all bytes. */
const char *stream_digest(const struct stream *stream);
uint64_t stream_size(const struct stream *stream);
