/* SPDX-License-Identifier: Apache-2.0 */
/* Where a container's files lie, and how they go. */
#include "container/folders.h"

#include "base/file.h"
#include "base/str.h"
#include "container/published.h"

#include <errno.h>

#define ASIDE_PATH_SIZE (CONTAINER_RUN_PATH_SIZE + sizeof(".dead") - 1)

int container_data_dir(const struct roots *roots, const char *id)
{
	char path[sizeof("containers/") + ID_SIZE];

	if (!id_valid(id))
		return -EINVAL;
	snprintf(path, sizeof(path), "containers/%s", id);
	return open_beneath(roots->data_fd, path, O_RDONLY | O_DIRECTORY, 0);
}

void container_run_path(const char *id, char out[static CONTAINER_RUN_PATH_SIZE])
{
	snprintf(out, CONTAINER_RUN_PATH_SIZE, "c/%.12s", id);
}

int container_run_dir(const struct roots *roots, const char *id)
{
	char path[CONTAINER_RUN_PATH_SIZE];
	int fd, r;

	if (!id_valid(id))
		return -EINVAL;
	container_run_path(id, path);
	r = dir_open_make(roots->run_fd, path, 0700, &fd);
	return r < 0 ? r : fd;
}

static void aside_path(const char *id, char out[static ASIDE_PATH_SIZE])
{
	snprintf(out, ASIDE_PATH_SIZE, "c/%.12s.dead", id);
}

/* Moved away first: a shim that starts meanwhile makes a folder of its own, and no file of that one may be taken for an old one. */
void container_run_dir_free(const struct roots *roots, const char *id)
{
	char path[CONTAINER_RUN_PATH_SIZE], aside[ASIDE_PATH_SIZE];
	_fd_ int dir = container_run_dir(roots, id);

	if (dir >= 0)
		published_sockets_remove(dir);
	container_run_path(id, path);
	aside_path(id, aside);
	tree_remove(roots->run_fd, aside); /* of one who was killed at this */
	if (renameat(roots->run_fd, path, roots->run_fd, aside) == 0)
		tree_remove(roots->run_fd, aside);
}

int container_remove_files(const struct roots *roots, const char *id, const char *name, struct cor_error *err)
{
	char path[sizeof("containers/") + ID_SIZE], run[CONTAINER_RUN_PATH_SIZE], aside[ASIDE_PATH_SIZE];
	int r;

	if (!id_valid(id))
		return cor_fail(err, COR_INVALID, EINVAL, "not a container id");
	if (!str_empty(name) && !strchr(name, '/')) {
		_free_ char *file = str_format("names/%s", name), *holder = NULL;

		/* The name may belong to another container by now, when an earlier removal was cut short. */
		if (file_read(roots->data_fd, file, ID_SIZE, &holder, NULL) == 0 && str_after(holder, id) &&
		    unlinkat(roots->data_fd, file, 0) < 0 && errno != ENOENT)
			return cor_fail_errno(err, errno, "remove '%s'", file);
	}
	snprintf(path, sizeof(path), "containers/%s", id);
	container_run_path(id, run);
	r = tree_remove(roots->data_fd, path);
	if (r < 0)
		return cor_fail_errno(err, r, "remove '%s'", path);
	aside_path(id, aside);
	tree_remove(roots->run_fd, aside); /* of one who was killed while it freed the folder */
	r = tree_remove(roots->run_fd, run);
	return r < 0 ? cor_fail_errno(err, r, "remove '%s'", run) : 0;
}
