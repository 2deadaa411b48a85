/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the compression off a layer: gzip (RFC 1952), zstd (RFC 8878), or none. Which of them it is, the first bytes say. Several members or frames, one after the other, are
 * one content; zeros behind the last are padding, anything else there is refused. */
#pragma once

#include "base/cleanup.h"
#include "image/source.h"

#include <stdint.h>

struct decompress;

/* The source is borrowed until decompress_free. Reads nothing yet. */
struct decompress *decompress_new(const struct source *source);
void decompress_free(struct decompress *d);
DEFINE_CLEANUP(struct decompress *, decompress_free)

/* Fills data, but for the last piece; *ret_size is 0 at the end. COR_CORRUPT for what is malformed or cut off, COR_UNSUPPORTED for zstd that needs more than 128 MiB of
 * memory, and what the source says. */
int decompress_read(struct decompress *d, uint8_t *data, size_t size, size_t *ret_size,
		    struct cor_error *err);
