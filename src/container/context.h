/* SPDX-License-Identifier: Apache-2.0 */
/* What a cor_context holds. */
#pragma once

#include "base/timing.h"
#include "container/roots.h"
#include "coracle/context.h"
#include "image/image.h"

struct cor_context {
	struct roots roots;
	uint64_t opened_ns;         /* monotonic: when the command began, for timings */
	struct timings timings;     /* ours, until a session takes them over */
	struct image_store *images; /* opened at first use: see context_images */
};

/* The image store; COR_OK or what opening it gave. */
int context_images(struct cor_context *ctx, struct image_store **ret, struct cor_error *err);
