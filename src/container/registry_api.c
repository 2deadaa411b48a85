/* SPDX-License-Identifier: Apache-2.0 */
/* The cor_image_* calls that speak to registries. */
#include "container/context.h"
#include "coracle/registry.h"

#include <errno.h>

void cor_image_pulled_release(struct cor_image_pulled *pulled)
{
	free(pulled->name);
	free(pulled->digest);
	free(pulled->id);
	*pulled = (struct cor_image_pulled){0};
}

int cor_image_pull(struct cor_context *ctx, const char *ref, const struct cor_image_pull_options *options,
		   struct cor_image_pulled *ret, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_pull(images, ref, options, ret, err);
}

int cor_image_push(struct cor_context *ctx, const char *ref, const struct cor_image_push_options *options,
		   char **ret_digest, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_push(images, ref, options, ret_digest, err);
}
