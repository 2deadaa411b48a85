/* SPDX-License-Identifier: Apache-2.0 */
/* A maker works in ID.new, whose flock says that it lives; the rename to ID publishes. What a dead maker left is taken over by the next. */
#include "container/template_internal.h"

#include "base/file.h"
#include "base/json.h"
#include "base/macro.h"
#include "base/str.h"
#include "oci/hash.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NEW           ".new"
#define FILE_NAME_MAX (TEMPLATE_ID_SIZE + sizeof(NEW))

static const char *const parts[] = TEMPLATE_PARTS;

/* The folder with its lock, and empty. */
static int lock_new(int folder, const char *name, int *ret_dir)
{
	for (;;) {
		_fd_ int dir = -1;
		struct stat ours, there;
		int r = dir_open_make(folder, name, 0700, &dir);

		if (r < 0)
			return r;
		if (flock(dir, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		/* The one before us may have published it between our two steps. */
		if (fstat(dir, &ours) < 0)
			return -errno;
		if (fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || there.st_ino != ours.st_ino)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
			unlinkat(dir, parts[i], 0);
		*ret_dir = steal_fd(&dir);
		return 0;
	}
}

int template_begin(const struct roots *roots, const char *shape, struct template_maker *ret,
		   struct cor_error *err)
{
	_fd_ int folder = template_open_folder(roots, err);
	char name[FILE_NAME_MAX];
	struct stat st;
	int r;

	*ret = (struct template_maker){.dir = -1};
	if (folder < 0)
		return folder;
	template_name(shape, ret->id);
	snprintf(name, sizeof(name), "%s" NEW, ret->id);
	r = lock_new(folder, name, &ret->dir);
	if (r == -EBUSY)
		return cor_fail(err, COR_BUSY, EBUSY, "somebody saves a machine of this shape");
	if (r < 0)
		return cor_fail_errno(err, r, "a new template");
	if (fstatat(folder, ret->id, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		template_maker_release(roots, ret);
		return cor_fail(err, COR_EXISTS, EEXIST, "a machine of this shape is saved");
	}
	return 0;
}

void template_maker_release(const struct roots *roots, struct template_maker *maker)
{
	_fd_ int folder = maker->dir >= 0 ? template_open_folder(roots, NULL) : -1;
	char name[FILE_NAME_MAX];

	snprintf(name, sizeof(name), "%s" NEW, maker->id);
	if (folder >= 0)
		tree_remove(folder, name);
	close_fd(&maker->dir);
}

static int put_memory(int dir, int from, uint64_t size)
{
	_fd_ int to = openat(dir, "memory", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (to < 0 || ftruncate(to, (off_t)size) < 0)
		return -errno;
	r = template_copy_pages(from, to);
	return r < 0 ? r : fdatasync(to) < 0 ? -errno : 0;
}

static int put_facts(int dir, const char *shape, int memory, uint64_t memory_size, const char *state_digest,
		     struct cor_error *err)
{
	_json_ json_t *document = NULL;
	char memory_digest[DIGEST_SIZE];
	int r = template_digest_pages(memory, memory_digest);

	if (r < 0)
		return cor_fail_errno(err, r, "what was saved");
	document = json_pack("{s:i, s:s, s:I, s:s, s:s}", "format", TEMPLATE_FORMAT, "shape", shape,
			     "memorySize", (json_int_t)memory_size, "memoryDigest", memory_digest,
			     "stateDigest", state_digest);
	return json_write_file(dir, "template.json", document, 0600, err);
}

static int put_state(int dir, int from, size_t size, char digest[DIGEST_SIZE])
{
	_free_ char *state = xmalloc(size);

	if (pread(from, state, size, 0) != (ssize_t)size)
		return -EIO;
	hash_bytes(state, size, digest);
	return file_write_new(dir, "state", state, size, 0600);
}

static size_t environment_size(const char *shape)
{
	return strcspn(shape, "\n");
}

/* Whoever was made in another environment finds no use any more. */
static void remove_others(int folder, const char *shape)
{
	_dir_ DIR *dir = template_list(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_(template_facts_release) struct template_facts facts = {0};
		_fd_ int one = -1;

		if (strlen(entry->d_name) != TEMPLATE_ID_SIZE - 1)
			continue;
		one = open_beneath(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (one < 0 || (template_read_facts(one, &facts) == 0 &&
				environment_size(facts.shape) == environment_size(shape) &&
				strncmp(facts.shape, shape, environment_size(shape)) == 0))
			continue;
		tree_remove(folder, entry->d_name);
	}
}

int template_publish(const struct roots *roots, struct template_maker *maker, const char *shape, int memory,
		     int state, struct cor_error *err)
{
	_fd_ int folder = template_open_folder(roots, err);
	char name[FILE_NAME_MAX], digest[DIGEST_SIZE];
	struct stat st[2];
	int r;

	if (folder < 0)
		return folder;
	if (fstat(memory, &st[0]) < 0 || fstat(state, &st[1]) < 0)
		return cor_fail_errno(err, errno, "what was saved");
	if (st[1].st_size == 0 || (uint64_t)st[1].st_size > TEMPLATE_STATE_MAX)
		return cor_fail(err, COR_INVALID, EFBIG, "the machine's state has %lld bytes",
				(long long)st[1].st_size);
	r = put_memory(maker->dir, memory, (uint64_t)st[0].st_size);
	r = r ?: put_state(maker->dir, state, (size_t)st[1].st_size, digest);
	if (r < 0)
		return cor_fail_errno(err, r, "keep the saved machine");
	r = put_facts(maker->dir, shape, memory, (uint64_t)st[0].st_size, digest, err);
	if (r < 0)
		return r;
	remove_others(folder, shape);
	snprintf(name, sizeof(name), "%s" NEW, maker->id);
	if (renameat(folder, name, folder, maker->id) < 0)
		return cor_fail_errno(err, errno, "publish the saved machine");
	close_fd(&maker->dir);
	return 0;
}
