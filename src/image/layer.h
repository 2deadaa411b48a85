/* SPDX-License-Identifier: Apache-2.0 */
/* Reading layers: tar archives, plain or compressed by gzip or zstd (image-spec, layer.md). */
#pragma once

#include "base/error.h"
#include "image/ext4.h"
#include "image/tree.h"

/* Applies the layer in the file fd, as number `layer` (the lowest is 1), to tree and disk, and checks that its uncompressed bytes have the digest
 * diff_id (NULL: not checked). COR_CORRUPT, COR_UNSUPPORTED, COR_EXHAUSTED; tree and disk are then good for nothing. */
int layer_apply(int fd, const char *diff_id, unsigned layer, struct tree *tree, struct ext4 *disk,
		struct cor_error *err);

/* Only the check of the digest. */
int layer_verify(int fd, const char *diff_id, struct cor_error *err);
