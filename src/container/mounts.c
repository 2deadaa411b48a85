/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever names a place first has it: --volume and --mount come before --tmpfs' and the image's. Two of the former in one place are a mistake. */
#include "container/mounts.h"

#include "base/json.h"
#include "volume/volume.h"

#include <errno.h>
#include <sys/file.h>

struct choice {
	const struct roots *roots;
	struct container_record *record;
	struct container_mounts *mounts;
	struct strv targets; /* that are taken */
};

static int take_target(struct choice *choice, const char *target, struct cor_error *err)
{
	if (strv_contains(&choice->targets, target))
		return cor_fail(err, COR_INVALID, EEXIST, "'%.200s' is given twice", target);
	strv_add(&choice->targets, target);
	return 0;
}

/* ---- volumes ---- */

/* One that several containers write to at once is a directory of the host like others. */
static int add_shared(struct choice *choice, const struct volume_use *use, struct cor_error *err)
{
	_free_ char *host = str_format("%s/volumes/%s/data", choice->roots->data, use->name);

	return container_shares_add(&choice->record->shares, host, use->target, use->read_only, err);
}

static int add_volume(struct choice *choice, const struct volume_request *request, struct cor_error *err)
{
	struct volume_wish wish = {.name = request->kind == VOLUME_NAMED ? request->source : NULL,
				   .options = (const char *const *)request->options.items};
	_volume_ struct volume volume = {0};
	struct volume_use *use;
	bool made = false;
	int r;

	if (choice->record->volume_count == VOLUMES_MAX)
		return cor_fail(err, COR_INVALID, E2BIG, "a container can have %d volumes", VOLUMES_MAX);
	r = volume_create(choice->roots->data_fd, &wish, &volume, &made, err);
	if (r < 0)
		return r;
	if (made && volume.anonymous)
		strv_add(&choice->mounts->made, volume.name);
	for (size_t i = 0; i < choice->record->volume_count; i++)
		if (str_equal(choice->record->volumes[i].name, volume.name))
			return cor_fail(err, COR_INVALID, EEXIST,
					"volume '%s' is given twice: a container can have it in one place",
					volume.name);
	use = container_record_add_volume(choice->record, volume.name, request->target);
	use->read_only = request->read_only;
	use->copy = !request->no_copy;
	use->shared = volume.shared;
	return use->shared ? add_shared(choice, use, err) : 0;
}

static void add_tmpfs(struct container_mounts *mounts, struct volume_request *request)
{
	mounts->tmpfs = xreallocarray(mounts->tmpfs, mounts->tmpfs_count + 1, sizeof(*mounts->tmpfs));
	mounts->tmpfs[mounts->tmpfs_count++] = *request;
	*request = (struct volume_request){0};
}

static int add_request(struct choice *choice, struct volume_request *request, struct cor_error *err)
{
	int r = take_target(choice, request->target, err);

	if (r < 0 || request->kind == VOLUME_BIND)
		return r;
	if (request->kind == VOLUME_TMPFS) {
		add_tmpfs(choice->mounts, request);
		return 0;
	}
	return add_volume(choice, request, err);
}

static int add_texts(struct choice *choice, const char *const *texts,
		     int (*parse)(const char *text, struct volume_request *ret, struct cor_error *err),
		     struct cor_error *err)
{
	int r = 0;

	for (; r == 0 && texts && *texts; texts++) {
		_cleanup_(volume_request_release) struct volume_request request = {0};

		r = parse(*texts, &request, err);
		r = r ?: add_request(choice, &request, err);
	}
	return r;
}

static void take_tmpfs(struct choice *choice, const char *const *texts)
{
	for (; texts && *texts; texts++) {
		_free_ char *path = xstrndup(*texts, strcspn(*texts, ":")), *target = NULL;

		if (volume_target(path, &target) == 0)
			strv_add(&choice->targets, target);
	}
}

static int add_image(struct choice *choice, const json_t *image_config, struct cor_error *err)
{
	json_t *config = json_object_get(image_config, "config"), *value;
	const char *path;
	int r = 0;

	json_object_foreach (json_object_get(config, "Volumes"), path, value) {
		_cleanup_(volume_request_release) struct volume_request request = {.kind = VOLUME_ANONYMOUS};

		if (r < 0)
			break;
		if (volume_target(path, &request.target) < 0)
			r = cor_fail(err, COR_CORRUPT, EBADMSG,
				     "the image's VOLUME '%.200s' is no absolute path", path);
		else if (!strv_contains(&choice->targets, request.target))
			r = add_request(choice, &request, err);
	}
	return r;
}

static int choose(struct choice *choice, const struct cor_container_options *options,
		  const json_t *image_config, struct cor_error *err)
{
	int r = volume_lock(choice->roots->data_fd, LOCK_SH, &choice->mounts->lock, err);

	r = r ?: add_texts(choice, options->volumes, volume_parse, err);
	r = r ?: add_texts(choice, options->mounts, volume_parse_mount, err);
	take_tmpfs(choice, options->tmpfs);
	return r ?: add_image(choice, image_config, err);
}

int container_mounts_choose(const struct roots *roots, const struct cor_container_options *options,
			    const json_t *image_config, struct container_record *record,
			    struct container_mounts *ret, struct cor_error *err)
{
	struct container_mounts mounts = {.lock = -1};
	struct choice choice = {.roots = roots, .record = record, .mounts = &mounts};
	int r = choose(&choice, options, image_config, err);

	strv_release(&choice.targets);
	if (r < 0) {
		container_mounts_release(roots, &mounts, false);
		return r;
	}
	*ret = mounts;
	return 0;
}

void container_mounts_release(const struct roots *roots, struct container_mounts *mounts, bool keep)
{
	const char *name;

	strv_foreach (&mounts->made, i, name)
		if (!keep)
			(void)volume_remove(roots->data_fd, name, NULL);
	for (size_t i = 0; i < mounts->tmpfs_count; i++)
		volume_request_release(&mounts->tmpfs[i]);
	free(mounts->tmpfs);
	strv_release(&mounts->made);
	close_fd(&mounts->lock);
	*mounts = (struct container_mounts){.lock = -1};
}

/* ---- config.json ---- */

static json_t *tmpfs_json(const struct volume_request *request)
{
	_strv_ struct strv options = {0};

	/* As Docker has it: programs may be executed there, unlike with --tmpfs. */
	strv_add(&options, "nosuid");
	strv_add(&options, "nodev");
	strv_addf(&options, "mode=%o", request->has_mode ? request->tmpfs_mode : 01777);
	if (request->tmpfs_size)
		strv_addf(&options, "size=%llu", (unsigned long long)request->tmpfs_size);
	if (request->read_only)
		strv_add(&options, "ro");
	return json_pack("{s:s, s:s, s:s, s:o}", "destination", request->target, "type", "tmpfs", "source",
			 "tmpfs", "options", json_from_strv(&options));
}

static json_t *volume_json(const struct volume_use *use, const char *id, size_t index)
{
	return json_pack("{s:s, s:s, s:o, s:[s, s, s]}", "destination", use->target, "type", "bind", "source",
			 json_sprintf("/run/coracle/%s/volumes/%zu", id, index), "options", "rbind",
			 "rprivate", use->read_only ? "ro" : "rw");
}

static size_t depth(const json_t *mount)
{
	const char *path = json_string_value(json_object_get(mount, "destination"));
	size_t slashes = 0;

	for (; path && *path; path++)
		slashes += *path == '/';
	return slashes;
}

/* By insertion: few, nearly in order, and those of one depth stay as they are. */
static void sort(json_t *list)
{
	for (size_t i = 1; i < json_array_size(list); i++) {
		json_t *mount = json_incref(json_array_get(list, i));
		size_t at = i;

		while (at && depth(json_array_get(list, at - 1)) > depth(mount))
			at--;
		if (at < i) {
			json_array_remove(list, i);
			json_array_insert(list, at, mount);
		}
		json_decref(mount);
	}
}

void container_mounts_add(const struct container_mounts *mounts, const struct container_record *record,
			  const char *id, json_t *list)
{
	for (size_t i = 0; i < mounts->tmpfs_count; i++)
		json_array_append_new(list, tmpfs_json(&mounts->tmpfs[i]));
	for (size_t i = 0; i < record->volume_count; i++)
		if (!record->volumes[i].shared)
			json_array_append_new(list, volume_json(&record->volumes[i], id, i));
	sort(list);
}
