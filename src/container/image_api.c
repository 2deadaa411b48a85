/* SPDX-License-Identifier: Apache-2.0 */
/* The cor_image_* calls: src/image does the work, and this file knows which containers use an image. */
#include "container/context.h"
#include "container/image_users.h"
#include "container/store.h"

#include <errno.h>

int cor_image_load(struct cor_context *ctx, int fd, const struct cor_image_load_options *options,
		   struct cor_strings *ret_names, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_load(images, fd, options, ret_names, err);
}

int cor_image_list(struct cor_context *ctx, struct cor_image_list *ret, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_list(images, ret, err);
}

void cor_image_list_release(struct cor_image_list *list)
{
	image_list_release(list);
}

int cor_image_inspect(struct cor_context *ctx, const char *ref, char **ret_json, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_inspect(images, ref, ret_json, err);
}

int cor_image_tag(struct cor_context *ctx, const char *ref, const char *new_name, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_tag(images, ref, new_name, err);
}

static bool is_made_of(const struct container_record *record, const char *image)
{
	const char *slash = record->rootfs ? strrchr(record->rootfs, '/') : NULL;

	return str_equal(record->image_id, image) || (slash && strcmp(slash + 1, image) == 0);
}

/* An image is in use while any container was made of it: a stopped one's disk is an overlay of the image's. */
bool used_by_container(void *userdata, const char *image, char **ret_name)
{
	struct cor_context *ctx = userdata;
	_strv_ struct strv ids = {0};
	const char *id;

	/* When in doubt it is used. */
	if (container_ids(&ctx->roots, &ids, NULL) < 0) {
		*ret_name = xstrdup("?");
		return true;
	}
	strv_foreach (&ids, i, id) {
		_cleanup_(container_record_release) struct container_record record = {0};
		int r = container_record_read(&ctx->roots, id, &record, NULL);

		if (r == -ENOENT || (r == 0 && !is_made_of(&record, image)))
			continue;
		/* One whose record cannot be read may have been made of it. */
		*ret_name = r < 0 ? xstrndup(id, ID_SHORT_SIZE - 1) : xstrdup(record.name);
		return true;
	}
	return false;
}

int cor_image_remove(struct cor_context *ctx, const char *ref, bool force, struct cor_strings *ret_removed,
		     struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_remove(images, ref, force, used_by_container, ctx, ret_removed, err);
}

int cor_image_save(struct cor_context *ctx, const char *const *refs, size_t count, int fd,
		   const struct cor_image_save_options *options, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_save(images, refs, count, fd, options, err);
}

int cor_image_prune(struct cor_context *ctx, const struct cor_image_prune_options *options,
		    struct cor_strings *ret_removed, uint64_t *ret_reclaimed, struct cor_error *err)
{
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	return r ?: image_prune(images, options, used_by_container, ctx, ret_removed, ret_reclaimed, err);
}
