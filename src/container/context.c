/* SPDX-License-Identifier: Apache-2.0 */
/* The handle of libcoracle: two open roots and, once it is needed, the image store. */
#include "container/context.h"

#include "base/clock.h"
#include "base/str.h"

int cor_open(const struct cor_options *options, struct cor_context **ret, struct cor_error *err)
{
	struct cor_context *ctx = xcalloc(1, sizeof(*ctx));
	int r;

	ctx->opened_ns = clock_monotonic_ns();
	r = roots_open(options ? options->data_root : NULL, options ? options->run_root : NULL, &ctx->roots,
		       err);
	if (r < 0) {
		free(ctx);
		return r;
	}
	*ret = ctx;
	return 0;
}

void cor_close(struct cor_context *ctx)
{
	if (!ctx)
		return;
	image_store_free(ctx->images);
	roots_release(&ctx->roots);
	free(ctx);
}

int context_images(struct cor_context *ctx, struct image_store **ret, struct cor_error *err)
{
	int r = ctx->images ? 0 : image_store_open(ctx->roots.data_fd, &ctx->images, err);

	if (r == 0)
		*ret = ctx->images;
	return r;
}

const char *cor_version(void)
{
	return CORACLE_VERSION;
}

void cor_free(void *p)
{
	free(p);
}

void cor_strings_release(struct cor_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
	*strings = (struct cor_strings){0};
}
