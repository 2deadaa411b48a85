/* SPDX-License-Identifier: Apache-2.0 */
/* A socket's file stays when nobody listens any more. Those who replace a
 * dead one exclude each other by a lock on its folder, so that none removes what another has just made. */
#include "container/published.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/unix_socket.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LIST     "sockets.json"
#define LIST_MAX 65536
#define BACKLOG  128

/* A socket of ours that nobody listens at. */
static bool is_dead(int dir, const char *name)
{
	_fd_ int file = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return file >= 0 && fstat(file, &st) == 0 && st.st_uid == geteuid() && unix_is_dead(file);
}

static int replace_dead(int dir, const char *name, int *ret_fd)
{
	int r = -EADDRINUSE;

	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return r;
	if (is_dead(dir, name)) {
		unlinkat(dir, name, 0);
		r = unix_listen_at(dir, name, BACKLOG, ret_fd);
	}
	flock(dir, LOCK_UN);
	return r;
}

/* ---- the list ---- */

static int list_add(int run_dir, const char *path, const struct stat *st, struct cor_error *err)
{
	_json_ json_t *document = NULL;

	if (json_read_file(run_dir, LIST, LIST_MAX, &document, NULL) < 0)
		document = json_pack("{s:[]}", "sockets");
	json_array_append_new(json_object_get(document, "sockets"),
			      json_pack("{s:s, s:I, s:I}", "path", path, "device", (json_int_t)st->st_dev,
					"inode", (json_int_t)st->st_ino));
	return json_write_file(run_dir, LIST, document, 0600, err);
}

static void remove_one(const json_t *entry)
{
	int64_t device = -1, inode = -1;
	const char *path = NULL;
	struct stat st;

	if (json_get_string(entry, "path", &path) == 0 && json_get_int(entry, "device", &device) == 0 &&
	    json_get_int(entry, "inode", &inode) == 0 && path && lstat(path, &st) == 0 &&
	    S_ISSOCK(st.st_mode) && (int64_t)st.st_dev == device && (int64_t)st.st_ino == inode)
		unlink(path);
}

void published_sockets_remove(int run_dir)
{
	_json_ json_t *document = NULL;
	json_t *sockets = NULL, *entry;
	size_t i;

	if (json_read_file(run_dir, LIST, LIST_MAX, &document, NULL) < 0 ||
	    json_get_array(document, "sockets", &sockets) < 0)
		return;
	json_array_foreach (sockets, i, entry)
		remove_one(entry);
	unlinkat(run_dir, LIST, 0);
}

/* ---- making ---- */

int published_socket_make(int run_dir, const char *path, int *ret_fd, struct cor_error *err)
{
	const char *name = strrchr(path, '/') + 1;
	_free_ char *above = xstrndup(path, (size_t)(name - path));
	_fd_ int dir = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct stat st;
	int r = dir < 0 ? -errno : unix_listen_at(dir, name, BACKLOG, &fd);

	if (r == -EADDRINUSE)
		r = replace_dead(dir, name, &fd);
	if (r == -EADDRINUSE)
		return cor_fail(err, COR_EXISTS, EEXIST,
				"publish socket '%s': something is there already; remove it first", path);
	if (r < 0)
		return cor_fail_errno(err, r, "publish socket '%s'", path);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_fail_errno(err, errno, "publish socket '%s'", path);
	r = list_add(run_dir, path, &st, err);
	if (r < 0) {
		unlinkat(dir, name, 0);
		return r;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}
