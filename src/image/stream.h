/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a layer without its compression (none, gzip or zstd), hashed on the way. A thread of its own does this, a few pieces ahead of who reads. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct stream;

/* Reads fd from where it stands; fd is borrowed until stream_free. At most max bytes come. */
int stream_open(int fd, uint64_t max, struct stream **ret, struct cor_error *err);
/* Ends the thread, also in the middle. */
void stream_free(struct stream *stream);
DEFINE_CLEANUP(struct stream *, stream_free)

/* The next piece, which stays until the next call; *ret_size is 0 at the end. Blocks. COR_CORRUPT, also where there are more bytes than max. */
int stream_read(struct stream *stream, const void **ret, size_t *ret_size, struct cor_error *err);

/* After the end: of all bytes. */
const char *stream_digest(const struct stream *stream);
uint64_t stream_size(const struct stream *stream);
