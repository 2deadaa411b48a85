/* SPDX-License-Identifier: Apache-2.0 */
/* Names and bundles.
 *
 * A container exists while names/NAME holds its id. A bundle is made without a name, under an flock of its folder, and gets its name last, by
 * link(2), which is atomic and refuses a name that is taken. Removing takes the name first. So whatever is killed when: either the name is there and the
 * bundle is whole, or the bundle has no name and no lock, and the next look removes it. */
#include "container/store.h"

#include "base/file.h"
#include "container/folders.h"
#include "container/lock.h"
#include "container/volumes.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define NAME_MAX_LENGTH 64
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

bool container_name_valid(const char *name)
{
	return str_made_of(name, NAME_MAX_LENGTH - 1, NAME_CHARACTERS) && !strchr("_.-", *name) &&
	       !id_valid(name);
}

/* The id that a name stands for, or -ENOENT. */
static int name_read(const struct roots *roots, const char *name, char ret_id[ID_SIZE])
{
	_free_ char *path = str_format("names/%s", name), *text = NULL;
	int r = file_read(roots->data_fd, path, ID_SIZE, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (!id_valid(text))
		return -EBADMSG;
	memcpy(ret_id, text, ID_SIZE);
	return 0;
}

char *container_name_invent(const struct roots *roots)
{
	static const char *const manners[] = {"brave", "calm",  "clever", "eager",  "fair",  "gentle",
					      "glad",  "keen",  "kind",   "lively", "merry", "nimble",
					      "quick", "quiet", "steady", "warm"};
	static const char *const birds[] = {"avocet", "coot",  "curlew", "dunlin", "eider",  "gannet",
					    "grebe",  "heron", "knot",   "linnet", "martin", "osprey",
					    "plover", "swift", "tern",   "wren"};

	for (;;) {
		char id[ID_SIZE];
		_free_ char *name = NULL;
		unsigned char dice[3] = {0};

		if (getrandom(dice, sizeof(dice), 0) != sizeof(dice))
			return xstrdup("coracle");
		name = str_format("%s-%s-%u", manners[dice[0] % ARRAY_SIZE(manners)],
				  birds[dice[1] % ARRAY_SIZE(birds)], dice[2]);
		if (name_read(roots, name, id) == -ENOENT)
			return steal_ptr(name);
	}
}

int container_name_check(const struct roots *roots, const char *name, struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	struct container_state state;
	_fd_ int dir = -1;
	char id[ID_SIZE];

	if (!container_name_valid(name))
		return cor_fail(
			err, COR_INVALID, EINVAL,
			"'%s' is no container name: up to %d letters, digits and _.- after a letter or digit",
			name, NAME_MAX_LENGTH - 1);
	if (name_read(roots, name, id) == -ENOENT)
		return 0;
	dir = container_data_dir(roots, id);
	if (dir == -ENOENT) {
		/* A bundle is there before its name, so this is what remained of one that was removed while its record was damaged. */
		_free_ char *path = str_format("names/%s", name);

		return unlinkat(roots->data_fd, path, 0) < 0 && errno != ENOENT
			       ? cor_fail_errno(err, errno, "free the name '%s'", name)
			       : 0;
	}
	if (container_record_read(roots, id, &record, NULL) == 0 &&
	    container_settle(roots, &record, &state, NULL) == -ENOENT)
		return 0;
	return cor_fail(err, COR_EXISTS, EEXIST,
			"the name '%s' is taken by container %.12s: remove it with 'rm %s' or choose another",
			name, id, name);
}

/* ---- bundles ---- */

/* Locks the new folder. -EAGAIN when somebody who looks for leftovers was faster, and takes it away. */
static int bundle_lock(const struct roots *roots, struct bundle *bundle)
{
	struct stat st;
	int r;

	bundle->dir = container_data_dir(roots, bundle->id);
	if (bundle->dir < 0)
		return bundle->dir == -ENOENT ? -EAGAIN : bundle->dir;
	r = flock(bundle->dir, LOCK_EX | LOCK_NB) < 0 || fstat(bundle->dir, &st) < 0 ? -errno : 0;
	if (r == 0 && st.st_nlink == 0)
		r = -EAGAIN;
	if (r < 0)
		close_fd(&bundle->dir);
	return r;
}

int bundle_begin(const struct roots *roots, struct bundle *ret, struct cor_error *err)
{
	struct bundle bundle = {.dir = -1};
	char path[sizeof("containers/") + ID_SIZE];
	int r = -EAGAIN;

	for (int tries = 0; r == -EAGAIN && tries < 100; tries++) {
		r = id_generate(bundle.id);
		if (r < 0)
			return cor_fail_errno(err, r, "no random bytes for an id");
		snprintf(path, sizeof(path), "containers/%s", bundle.id);
		if (mkdirat(roots->data_fd, path, 0700) < 0)
			return cor_fail_errno(err, errno, "cannot make '%s/%s'", roots->data, path);
		r = bundle_lock(roots, &bundle);
	}
	if (r < 0)
		return cor_fail_errno(err, r, "cannot lock '%s/%s'", roots->data, path);
	*ret = bundle;
	return 0;
}

int bundle_publish(const struct roots *roots, struct bundle *bundle, const char *name, bool durable,
		   struct cor_error *err)
{
	_free_ char *path = str_format("names/%s", name), *line = str_format("%s\n", bundle->id);
	int r = file_write_new(bundle->dir, "name", line, strlen(line), 0600);

	if (r == 0 && durable)
		r = dir_sync_files(bundle->dir);
	if (r < 0)
		return cor_fail_errno(err, r, "container %.12s: write", bundle->id);
	if (linkat(bundle->dir, "name", roots->data_fd, path, 0) < 0) {
		if (errno == EEXIST)
			return cor_fail(err, COR_EXISTS, EEXIST, "the name '%s' is taken", name);
		return cor_fail_errno(err, errno, "name '%s'", name);
	}
	unlinkat(bundle->dir, "name", 0);
	close_fd(&bundle->dir);
	return 0;
}

void bundle_release(const struct roots *roots, struct bundle *bundle)
{
	char path[sizeof("containers/") + ID_SIZE];

	if (bundle->dir < 0)
		return;
	snprintf(path, sizeof(path), "containers/%s", bundle->id);
	tree_remove(roots->data_fd, path);
	close_fd(&bundle->dir);
}

/* True if the container's name leads to it. One whose record is damaged counts too: only its owner may remove it. */
static bool is_named(const struct roots *roots, const char *id)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	char holder[ID_SIZE];
	int r = container_record_read(roots, id, &record, NULL);

	if (r < 0)
		return r != -ENOENT;
	return container_name_valid(record.name) && name_read(roots, record.name, holder) == 0 &&
	       strcmp(holder, id) == 0;
}

/* Removes a bundle that has no name, unless it is being made or its shim still lives. */
static void sweep(const struct roots *roots, const char *id)
{
	_fd_ int dir = container_data_dir(roots, id);

	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0 || container_is_locked(roots, id) != 0)
		return;
	/* Its maker may have published it and let go between the two looks. */
	if (!is_named(roots, id))
		container_remove_files(roots, id, NULL, NULL);
}

/* ---- looking ---- */

static int all_bundles(const struct roots *roots, struct strv *ret, struct cor_error *err)
{
	int r = dir_names(roots->data_fd, "containers", id_valid, ret);

	return r < 0 ? cor_fail_errno(err, r, "open '%s/containers'", roots->data) : 0;
}

int container_ids(const struct roots *roots, struct strv *ret, struct cor_error *err)
{
	_strv_ struct strv ids = {0};
	const char *id;
	int r = all_bundles(roots, &ids, err);

	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		if (is_named(roots, id))
			strv_add(ret, id);
		else
			sweep(roots, id);
	}
	return 0;
}

int container_find(const struct roots *roots, const char *ref, char ret_id[ID_SIZE], struct cor_error *err)
{
	_strv_ struct strv ids = {0};
	const char *id, *found = NULL;
	int r;

	if (container_name_valid(ref) && name_read(roots, ref, ret_id) == 0)
		return 0;
	if (!str_made_of(ref, ID_SIZE - 1, "0123456789abcdef"))
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no container '%s'", ref);
	r = all_bundles(roots, &ids, err);
	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		if (!str_after(id, ref) || !is_named(roots, id))
			continue;
		if (found)
			return cor_fail(err, COR_INVALID, EINVAL,
					"'%s' is the beginning of several ids: give more of it", ref);
		found = id;
	}
	if (!found)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no container '%s'", ref);
	memcpy(ret_id, found, ID_SIZE);
	return 0;
}

int container_settle(const struct roots *roots, const struct container_record *record,
		     struct container_state *ret, struct cor_error *err)
{
	_fd_ int lock = -1;
	int r = container_status(roots, record->id, ret, err);

	if (r < 0 || ret->status != COR_EXITED || !record->auto_remove)
		return r;
	/* While its shim lives, removing is the shim's business. */
	if (container_lock(roots, record->id, &lock, NULL) < 0)
		return 0;
	r = container_remove_itself(roots, record, err);
	return r < 0 ? r
		     : cor_fail(err, COR_NOT_FOUND, ENOENT, "container '%s' has ended and is removed",
				record->name);
}
