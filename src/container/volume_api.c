/* SPDX-License-Identifier: Apache-2.0 */
/* The cor_volume_* calls: src/volume does the work, and this file knows which containers have a volume. */
#include "coracle/volume.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/size.h"
#include "container/context.h"
#include "container/inspect.h"
#include "container/volumes.h"
#include "volume/disk.h"
#include "volume/volume.h"

#include <errno.h>
#include <sys/file.h>

int cor_volume_create(struct cor_context *ctx, const struct cor_volume_options *options, char **ret_name,
		      struct cor_error *err)
{
	struct volume_wish wish = {.name = options->name,
				   .size = options->size,
				   .labels = options->labels,
				   .options = options->options};
	_volume_ struct volume volume = {0};
	bool made;
	int r = volume_create(ctx->roots.data_fd, &wish, &volume, &made, err);

	if (r == 0)
		*ret_name = xstrdup(volume.name);
	return r;
}

/* ---- looking ---- */

static void strings_add(struct cor_strings *strings, const char *text)
{
	strings->items = xreallocarray(strings->items, strings->count + 1, sizeof(char *));
	strings->items[strings->count++] = xstrdup(text);
}

static void info_fill(struct cor_context *ctx, const struct volume *volume, const struct volume_users *users,
		      struct cor_volume_info *info)
{
	const char *label;

	*info = (struct cor_volume_info){
		.name = xstrdup(volume->name),
		.size = volume->size,
		.used = volume_usage(ctx->roots.data_fd, volume->name),
		.journal = volume->journal,
		.shared = volume->shared,
		.anonymous = volume->anonymous,
		.created_ns = volume->created_ns,
	};
	strv_foreach (&volume->labels, i, label)
		strings_add(&info->labels, label);
	for (size_t i = 0; i < users->count; i++)
		if (str_equal(users->items[i].volume, volume->name))
			strings_add(&info->containers, users->items[i].container);
}

int cor_volume_list(struct cor_context *ctx, struct cor_volume_list *ret, struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	struct cor_volume_list list = {0};
	_strv_ struct strv names = {0};
	const char *name;
	int r = volume_names(ctx->roots.data_fd, &names, err);

	r = r ?: volume_users_read(&ctx->roots, &users, err);
	if (r < 0)
		return r;
	list.items = xcalloc(names.count + 1, sizeof(*list.items));
	strv_foreach (&names, i, name) {
		_volume_ struct volume volume = {0};

		r = volume_read(ctx->roots.data_fd, name, &volume, err);
		if (r == -ENOENT)
			continue; /* removed meanwhile */
		if (r < 0) {
			cor_volume_list_release(&list);
			return r;
		}
		info_fill(ctx, &volume, &users, &list.items[list.count++]);
	}
	*ret = list;
	return 0;
}

void cor_volume_list_release(struct cor_volume_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		cor_strings_release(&list->items[i].labels);
		cor_strings_release(&list->items[i].containers);
	}
	free(list->items);
	*list = (struct cor_volume_list){0};
}

static json_t *options_json(const struct volume *volume)
{
	char size[SIZE_TEXT_SIZE];

	if (volume->shared)
		return json_pack("{s:s}", "shared", "true");
	return json_pack("{s:s, s:s}", "size", size_format(volume->size, size), "journal",
			 volume->journal ? "true" : "false");
}

static json_t *users_json(const struct volume_users *users, const char *name)
{
	json_t *list = json_array();

	for (size_t i = 0; i < users->count; i++)
		if (str_equal(users->items[i].volume, name))
			json_array_append_new(list, json_string(users->items[i].container));
	return list;
}

int cor_volume_inspect(struct cor_context *ctx, const char *name, char **ret_json, struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	_volume_ struct volume volume = {0};
	_json_ json_t *document = NULL;
	char created[CLOCK_RFC3339_SIZE];
	int r = volume_read(ctx->roots.data_fd, name, &volume, err);

	r = r ?: volume_users_read(&ctx->roots, &users, err);
	if (r < 0)
		return r;
	document = json_pack("{s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:{s:I, s:I, s:b}, s:o}", "Name",
			     volume.name, "Driver", "local", "Mountpoint",
			     json_sprintf("%s/volumes/%s/%s", ctx->roots.data, volume.name,
					  volume.shared ? "data" : "disk"),
			     "Labels", inspect_labels(&volume.labels), "Scope", "local", "Options",
			     options_json(&volume), "CreatedAt", clock_format(volume.created_ns, created),
			     "Status", "Size", (json_int_t)volume.size, "Used",
			     (json_int_t)volume_usage(ctx->roots.data_fd, name), "Anonymous",
			     (int)volume.anonymous, "Containers", users_json(&users, name));
	*ret_json = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	return *ret_json ? 0 : cor_fail(err, COR_INTERNAL, EINVAL, "inspect volume '%s': no document", name);
}

/* ---- removing ---- */

int cor_volume_remove(struct cor_context *ctx, const char *name, struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	_fd_ int lock = -1;
	const char *user;
	int r = volume_lock(ctx->roots.data_fd, LOCK_EX, &lock, err);

	r = r ?: volume_users_read(&ctx->roots, &users, err);
	if (r < 0)
		return r;
	user = volume_users_find(&users, name, NULL);
	if (user)
		return cor_fail(err, COR_BUSY, EBUSY,
				"container '%s' has volume '%s': remove the container first", user, name);
	return volume_remove(ctx->roots.data_fd, name, err);
}

/* "KEY" is there with any value, "KEY=VALUE" as it stands. */
static bool has_labels(const struct volume *volume, const char *const *wanted)
{
	for (; wanted && *wanted; wanted++) {
		bool found = false;
		const char *label;

		strv_foreach (&volume->labels, i, label) {
			const char *rest = str_after(label, *wanted);

			found = found || (rest && (*rest == '\0' || (*rest == '=' && !strchr(*wanted, '='))));
		}
		if (!found)
			return false;
	}
	return true;
}

static int prune_one(struct cor_context *ctx, const char *name,
		     const struct cor_volume_prune_options *options, struct cor_strings *removed,
		     uint64_t *reclaimed, struct cor_error *err)
{
	uint64_t used = volume_usage(ctx->roots.data_fd, name);
	_volume_ struct volume volume = {0};
	struct cor_error one = {0};

	/* One that is damaged has an owner who may want it back. */
	if (volume_read(ctx->roots.data_fd, name, &volume, NULL) < 0 || !(options->all || volume.anonymous) ||
	    !has_labels(&volume, options->labels))
		return 0;
	if (volume_remove(ctx->roots.data_fd, name, &one) == 0) {
		strings_add(removed, name);
		*reclaimed += used;
	} else if (one.status != COR_BUSY && one.status != COR_NOT_FOUND) {
		return cor_fail(err, one.status, one.err, "%s", one.msg);
	}
	return 0;
}

int cor_volume_prune(struct cor_context *ctx, const struct cor_volume_prune_options *options,
		     struct cor_strings *ret_removed, uint64_t *ret_reclaimed, struct cor_error *err)
{
	_cleanup_(volume_users_release) struct volume_users users = {0};
	_strv_ struct strv names = {0};
	_fd_ int lock = -1;
	const char *name;
	int r = volume_lock(ctx->roots.data_fd, LOCK_EX, &lock, err);

	r = r ?: volume_users_read(&ctx->roots, &users, err);
	r = r ?: volume_names(ctx->roots.data_fd, &names, err);
	*ret_reclaimed = 0;
	strv_foreach (&names, i, name)
		if (r == 0 && !volume_users_find(&users, name, NULL))
			r = prune_one(ctx, name, options, ret_removed, ret_reclaimed, err);
	return r;
}

/* ---- checking ---- */

int cor_volume_check(struct cor_context *ctx, const char *name, bool repair, bool *ret_repaired,
		     struct cor_error *err)
{
	_volume_ struct volume volume = {0};
	int r = volume_read(ctx->roots.data_fd, name, &volume, err);

	*ret_repaired = false;
	if (r < 0 || volume.shared)
		return r;
	return volume_disk_check(ctx->roots.data_fd, name, repair, ret_repaired, err);
}
