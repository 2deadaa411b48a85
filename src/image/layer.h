/* SPDX-License-Identifier: Apache-2.0 */
/* Reading layers: tar archives, plain or compressed by gzip or zstd (image-spec, layer.md). */
#pragma once

#include "base/error.h"
#include "image/ext4.h"
#include "image/stream.h"
#include "image/tree.h"

/* What the layers of one image may be together, uncompressed: more than any image has, and an end for a bomb. */
#define LAYERS_BUDGET (UINT64_C(256) << 30)

/* Applies a layer, as number `layer` (the lowest is 1), to tree and disk, and checks that its uncompressed bytes have the digest diff_id (NULL: not
 * checked). The stream is read to its end. *budget is how many bytes may still come, of this layer and of others; it gets less.
 * COR_CORRUPT, COR_UNSUPPORTED, COR_EXHAUSTED; tree and disk are then good for nothing. */
int layer_apply(struct stream *stream, const char *diff_id, unsigned layer, struct tree *tree,
		struct ext4 *disk, uint64_t *budget, struct cor_error *err);

/* Only the check of the digest. */
int layer_verify(struct stream *stream, const char *diff_id, uint64_t *budget, struct cor_error *err);
