/* SPDX-License-Identifier: Apache-2.0 */
/* `system check`: whether containers, their names, their disks and their run folders lead to each other. Looking settles what is settled at every look: the death of a shim is recorded, bundles in the
 * making whose maker died go. A container's own disk is its owner's data: nothing here removes one. */
#include "base/file.h"
#include "base/json.h"
#include "container/context.h"
#include "container/folders.h"
#include "container/image_users.h"
#include "container/network_check.h"
#include "container/pool.h"
#include "container/store.h"
#include "container/template.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#define REMOVAL_TRIES  50
#define REMOVAL_NAP_MS 100

struct check {
	struct cor_context *ctx;
	bool repair;
	json_t *problems;
};

static void tell(struct check *check, const char *what, bool repaired, const char *problem)
{
	json_array_append_new(check->problems, json_pack("{s:s, s:s, s:b}", "What", what, "Problem", problem,
							 "Repaired", repaired));
}

static void each_entry(int root, const char *path, void (*visit)(struct check *, const char *),
		       struct check *check)
{
	_dir_ DIR *d = dir_list(root, path);
	const struct dirent *entry;

	while ((entry = dir_next(d)))
		visit(check, entry->d_name);
}

/* ---- names ---- */

/* True if it leads to a bundle that knows this name, or whose record is damaged. */
static bool name_leads(const struct roots *roots, const char *name)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	_free_ char *path = str_format("names/%s", name), *id = NULL;
	int r = file_read(roots->data_fd, path, ID_SIZE, &id, NULL);

	if (r < 0)
		return r == -ENOENT; /* it is gone: no name, no problem */
	id[strcspn(id, "\n")] = '\0';
	if (!id_valid(id))
		return false;
	r = container_record_read(roots, id, &record, NULL);
	return r < 0 ? r != -ENOENT : str_equal(record.name, name);
}

/* Names go before their bundles: one that still leads nowhere at the second look is none that is going just now. */
static void visit_name(struct check *check, const char *name)
{
	const struct roots *roots = &check->ctx->roots;
	_free_ char *path = str_format("names/%s", name);
	bool repaired;

	if (name_leads(roots, name) || name_leads(roots, name))
		return;
	repaired = check->repair && unlinkat(roots->data_fd, path, 0) == 0;
	tell(check, path, repaired, "the name leads to no container");
}

/* ---- containers ---- */

static bool exists(const char *path)
{
	return path && access(path, F_OK) == 0;
}

/* Disks of one stack of layers are equal, so the one that is made now can take the place of the one that is lost. */
static bool remake_disk(struct check *check, const struct container_record *record)
{
	struct image_rootfs rootfs = {.lock = -1};
	struct image_store *images;

	if (!check->repair || context_images(check->ctx, &images, NULL) < 0 ||
	    image_rootfs(images, record->image_id, NULL, &rootfs, NULL) < 0)
		return false;
	image_rootfs_release(&rootfs);
	return exists(record->rootfs);
}

static void check_volumes(struct check *check, const char *what, const struct container_record *record)
{
	for (size_t i = 0; i < record->volume_count; i++) {
		const struct volume_use *use = &record->volumes[i];
		_free_ char *path = str_format("volumes/%s/%s", use->name, use->shared ? "data" : "disk");
		_free_ char *problem = str_format(
			"its volume '%s' is missing: make it anew, or remove the container", use->name);

		if (faccessat(check->ctx->roots.data_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			tell(check, what, false, problem);
	}
}

static void check_disks(struct check *check, const char *what, const struct container_record *record)
{
	const struct roots *roots = &check->ctx->roots;
	_fd_ int dir = container_data_dir(roots, record->id);

	if (!exists(record->rootfs))
		tell(check, what, remake_disk(check, record),
		     "the disk of its image is missing: pull or load the image again");
	if (!record->read_only && dir >= 0 && faccessat(dir, "root.qcow2", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		tell(check, what, false, "its own disk is missing: remove the container");
	check_volumes(check, what, record);
}

static void check_container(struct check *check, const char *id)
{
	const struct roots *roots = &check->ctx->roots;
	_cleanup_(container_record_release) struct container_record record = {0};
	struct container_state state;
	struct cor_error err = {0};
	_free_ char *what = NULL;
	int r = container_record_read(roots, id, &record, &err);

	what = str_format("container %s", r == 0 && record.name ? record.name : id);
	r = r ?: container_settle(roots, &record, &state, &err);
	/* It went meanwhile. */
	if (r == -ENOENT)
		return;
	if (r < 0)
		tell(check, what, false, err.msg);
	else
		check_disks(check, what, &record);
}

/* ---- run folders ---- */

static bool has_bundle(const struct roots *roots, const char *run)
{
	_dir_ DIR *d = dir_list(roots->data_fd, "containers");
	const struct dirent *entry;

	/* When in doubt it has. */
	if (!d)
		return true;
	while ((entry = dir_next(d)))
		if (strncmp(entry->d_name, run, ID_SHORT_SIZE - 1) == 0)
			return true;
	return false;
}

static bool is_locked(const struct roots *roots, const char *path)
{
	_free_ char *lock = str_format("%s/lock", path);
	_fd_ int fd = open_beneath(roots->run_fd, lock, O_RDONLY, 0);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* A bundle is there before its run folder. Whoever removes both holds the lock, for a moment. What a killed command left there hinders nobody, and is only cleaned up. */
static void visit_run(struct check *check, const char *name)
{
	const struct roots *roots = &check->ctx->roots;
	_free_ char *path = str_format("c/%s", name);

	if (has_bundle(roots, name))
		return;
	for (int tries = 0; is_locked(roots, path); tries++) {
		if (tries == REMOVAL_TRIES) {
			tell(check, path, false, "its container is gone, and its shim still runs");
			return;
		}
		poll(NULL, 0, REMOVAL_NAP_MS);
	}
	if (check->repair && faccessat(roots->run_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		tell(check, path, tree_remove(roots->run_fd, path) == 0,
		     "it was left behind by a container that is gone");
}

static int check_containers(struct check *check, struct cor_error *err)
{
	const struct roots *roots = &check->ctx->roots;
	_strv_ struct strv ids = {0};
	const char *id;
	int r = container_ids(roots, &ids, err);

	if (r < 0)
		return r;
	strv_foreach (&ids, i, id)
		check_container(check, id);
	each_entry(roots->data_fd, "names", visit_name, check);
	each_entry(roots->run_fd, "c", visit_run, check);
	return 0;
}

static void tell_pool(const char *name, void *context)
{
	struct check *check = context;
	_free_ char *what = str_format("pool/%s", name);

	tell(check, what, check->repair, "the machine that it was of has been killed");
}

static void tell_template(const char *id, const char *problem, void *context)
{
	struct check *check = context;
	_free_ char *what = str_format("template %s", id);

	tell(check, what, check->repair, problem);
}

int cor_system_check(struct cor_context *ctx, bool repair, char **ret_json, struct cor_error *err)
{
	_json_ json_t *problems = json_array();
	struct check check = {.ctx = ctx, .repair = repair, .problems = problems};
	struct image_store *images;
	int r = context_images(ctx, &images, err);

	r = r ?: image_check(images, repair, used_by_container, ctx, problems, err);
	r = r ?: check_containers(&check, err);
	r = r ?: template_check(&ctx->roots, repair, tell_template, &check, err);
	pool_check(&ctx->roots, repair, tell_pool, &check);
	r = r ?: network_check(&ctx->roots, repair, problems, err);
	if (r < 0)
		return r;
	*ret_json = json_dumps(problems, JSON_INDENT(4));
	return 0;
}
