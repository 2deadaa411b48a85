/* SPDX-License-Identifier: Apache-2.0 */
/* `system df`: what images, containers and volumes take of the host's disk. */
#include "base/file.h"
#include "base/json.h"
#include "container/context.h"
#include "container/folders.h"
#include "container/image_users.h"
#include "container/lock.h"
#include "container/pool.h"
#include "container/store.h"
#include "container/template.h"
#include "container/volumes.h"
#include "volume/volume.h"

#include <errno.h>
#include <sys/stat.h>

/* All files of a bundle: its overlay, its logs, its documents. */
static json_int_t folder_size(int dir)
{
	_dir_ DIR *d = dir_list(dir, ".");
	const struct dirent *entry;
	json_int_t size = 0;

	while ((entry = dir_next(d))) {
		_fd_ int sub = -1;
		struct stat st;

		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		size += (json_int_t)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode))
			sub = openat(dirfd(d), entry->d_name,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		size += sub >= 0 ? folder_size(sub) : 0;
	}
	return size;
}

static int containers_usage(struct cor_context *ctx, json_t *facts, struct cor_error *err)
{
	json_int_t active = 0, size = 0, reclaimable = 0;
	_strv_ struct strv ids = {0};
	const char *id;
	int r = container_ids(&ctx->roots, &ids, err);

	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		bool runs = container_is_locked(&ctx->roots, id) != 0;
		_fd_ int dir = container_data_dir(&ctx->roots, id);
		json_int_t one = dir < 0 ? 0 : folder_size(dir);

		active += runs;
		size += one;
		reclaimable += runs ? 0 : one;
	}
	json_object_set_new(facts, "Containers",
			    json_pack("{s:I, s:I, s:I, s:I}", "Total", (json_int_t)ids.count, "Active",
				      active, "Size", size, "Reclaimable", reclaimable));
	return 0;
}

static int volumes_usage(struct cor_context *ctx, json_t *facts, struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	json_int_t active = 0, size = 0, reclaimable = 0;
	_strv_ struct strv names = {0};
	const char *name;
	int r = volume_names(ctx->roots.data_fd, &names, err);

	r = r ?: volume_users_read(&ctx->roots, &users, err);
	if (r < 0)
		return r;
	strv_foreach (&names, i, name) {
		bool wanted = volume_users_find(&users, name, NULL);
		json_int_t one = (json_int_t)volume_usage(ctx->roots.data_fd, name);

		active += wanted;
		size += one;
		reclaimable += wanted ? 0 : one;
	}
	json_object_set_new(facts, "Volumes",
			    json_pack("{s:I, s:I, s:I, s:I}", "Total", (json_int_t)names.count, "Active",
				      active, "Size", size, "Reclaimable", reclaimable));
	return 0;
}

int cor_template_prune(struct cor_context *ctx, unsigned *ret_count, uint64_t *ret_reclaimed,
		       struct cor_error *err)
{
	struct pool_config config;
	/* They hold the ones that they began from. */
	int r = pool_drain(&ctx->roots, err);

	r = r ?: template_prune(&ctx->roots, ret_count, ret_reclaimed, err);
	if (r == 0 && pool_config_read(&ctx->roots, &config) == 0 && config.size)
		r = pool_fill(&ctx->roots, err);
	return r;
}

static int templates_usage(struct cor_context *ctx, json_t *facts, struct cor_error *err)
{
	unsigned count;
	uint64_t bytes;
	int r = template_usage(&ctx->roots, &count, &bytes, err);

	if (r == 0)
		json_object_set_new(facts, "Templates",
				    json_pack("{s:I, s:I, s:I, s:I}", "Total", (json_int_t)count, "Active",
					      (json_int_t)0, "Size", (json_int_t)bytes, "Reclaimable",
					      (json_int_t)bytes));
	return r;
}

int cor_system_df(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	_json_ json_t *facts = json_object();
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	r = r ?: image_usage(images, used_by_container, ctx, facts, err);
	r = r ?: containers_usage(ctx, facts, err);
	r = r ?: volumes_usage(ctx, facts, err);
	r = r ?: templates_usage(ctx, facts, err);
	if (r < 0)
		return r;
	*ret_json = json_dumps(facts, JSON_INDENT(4));
	return 0;
}
