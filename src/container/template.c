/* SPDX-License-Identifier: Apache-2.0 */
/* A maker works in ID.new, whose flock says that it lives; the rename to ID publishes. What a dead maker left is taken over by the next. */
#include "container/template.h"

#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "oci/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FOLDER        "templates"
#define FORMAT        1
#define DOCUMENT_MAX  16384
#define NEW           ".new"
#define FILE_NAME_MAX (TEMPLATE_ID_SIZE + sizeof(NEW))
#define PIECE         ((size_t)256 << 10) /* that a cache holds */
#define PAGE          4096

static const char *const parts[] = {"memory", "state", "template.json"};

static DIR *opendir_at(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		close_fd(&fd);
	return dir;
}

/* FNV-1a: it finds, and proves nothing. */
static void name_shape(const char *shape, char id[TEMPLATE_ID_SIZE])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *p = shape; *p; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	snprintf(id, TEMPLATE_ID_SIZE, "%016" PRIx64, hash);
}

static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_folder(const struct roots *roots, struct cor_error *err)
{
	int fd = -1, r = dir_open_make(roots->data_fd, FOLDER, 0700, &fd);

	if (r < 0)
		return cor_fail_errno(err, r, "the folder of templates");
	if (!is_ours(fd)) {
		close(fd);
		return cor_fail(err, COR_PERMISSION, EPERM, "others can write to the folder of templates");
	}
	return fd;
}

/* ---- pieces of files ---- */

typedef int (*take_fn)(const void *data, size_t size, off_t at, void *context);

static bool is_zero(const char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Calls back for every run of pages that are not zero. */
static int each_run(const char *piece, size_t size, off_t at, take_fn take, void *context)
{
	size_t begin = 0, end = 0;
	int r = 0;

	while (r == 0 && begin < size) {
		while (end < size && !is_zero(piece + end))
			end += PAGE;
		if (end > begin)
			r = take(piece + begin, end - begin, at + (off_t)begin, context);
		begin = end += PAGE;
	}
	return r;
}

/* The same for a file of whole pages; holes are not read. */
static int each_data(int fd, take_fn take, void *context)
{
	_free_ char *piece = xmalloc(PIECE);
	off_t at = 0, end = 0;
	int r = 0;

	while (r == 0) {
		if (at >= end) {
			at = lseek(fd, end, SEEK_DATA);
			if (at < 0)
				return errno == ENXIO ? 0 : -errno;
			end = lseek(fd, at, SEEK_HOLE);
			if (end < 0)
				return -errno;
			at -= at % PAGE;
			end += (PAGE - end % PAGE) % PAGE;
		}
		ssize_t n = pread(fd, piece, MIN(PIECE, (size_t)(end - at)), at);

		if (n <= 0 || n % PAGE)
			return n < 0 ? -errno : -ENODATA;
		r = each_run(piece, (size_t)n, at, take, context);
		at += n;
	}
	return r;
}

static int put_run(const void *data, size_t size, off_t at, void *context)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(*(int *)context, (const char *)data + done, size - done, at + (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* Where a page lies counts as much as what it holds; how the file system parts them into runs does not. */
static int hash_run(const void *data, size_t size, off_t at, void *context)
{
	for (size_t done = 0; done < size; done += PAGE) {
		uint64_t place = (uint64_t)at + done;

		hash_update(context, &place, sizeof(place));
		hash_update(context, (const char *)data + done, PAGE);
	}
	return 0;
}

static int digest_memory(int fd, char out[DIGEST_SIZE])
{
	_hash_ struct hash hash;
	int r;

	hash_init(&hash);
	r = each_data(fd, hash_run, &hash);
	hash_finish(&hash, out);
	return r;
}

/* ---- reading ---- */

/* What template.json says. Strings are borrowed from the document. */
struct facts {
	json_t *document;
	const char *shape, *memory_digest, *state_digest;
	int64_t memory_size;
};

static int read_facts(int dir, struct facts *ret)
{
	struct cor_error ignored;
	int64_t format = 0;
	int r = json_read_file(dir, "template.json", DOCUMENT_MAX, &ret->document, &ignored);

	if (r < 0)
		return r;
	r = json_get_int(ret->document, "format", &format);
	r = r ?: json_get_string(ret->document, "shape", &ret->shape);
	r = r ?: json_get_string(ret->document, "memoryDigest", &ret->memory_digest);
	r = r ?: json_get_string(ret->document, "stateDigest", &ret->state_digest);
	r = r ?: json_get_int(ret->document, "memorySize", &ret->memory_size);
	if (r == 0 && (format != FORMAT || !ret->shape || !ret->memory_digest || !ret->state_digest))
		r = -EBADMSG;
	return r;
}

static void facts_release(struct facts *facts)
{
	json_decref(facts->document);
}

static int open_parts(int dir, struct template *template)
{
	_cleanup_(facts_release) struct facts facts = {0};
	char digest[DIGEST_SIZE];
	struct stat st;
	int r = is_ours(dir) ? read_facts(dir, &facts) : -EPERM;

	r = r ?: file_read(dir, "state", TEMPLATE_STATE_MAX, &template->state, &template->state_size);
	if (r < 0)
		return r;
	template->memory_fd = open_beneath(dir, "memory", O_RDONLY | O_CLOEXEC, 0);
	if (template->memory_fd < 0)
		return template->memory_fd;
	hash_bytes(template->state, template->state_size, digest);
	if (!digest_valid(facts.memory_digest) || fstat(template->memory_fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size != facts.memory_size ||
	    strcmp(digest, facts.state_digest) != 0)
		return -EBADMSG;
	template->memory_size = (uint64_t)st.st_size;
	strcpy(template->memory_digest, facts.memory_digest);
	return 0;
}

static bool has_shape(int dir, const char *shape)
{
	_cleanup_(facts_release) struct facts facts = {0};

	return read_facts(dir, &facts) == 0 && strcmp(facts.shape, shape) == 0;
}

int template_open(const struct roots *roots, const char *shape, struct template *ret, struct cor_error *err)
{
	_fd_ int folder = open_folder(roots, err), dir = -1;
	int r;

	*ret = (struct template){.memory_fd = -1};
	if (folder < 0)
		return folder;
	name_shape(shape, ret->id);
	dir = open_beneath(folder, ret->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "no machine of this shape is saved");
	r = open_parts(dir, ret);
	if (r == 0 && !has_shape(dir, shape))
		r = -ESTALE;
	if (r < 0) {
		template_release(ret);
		tree_remove(folder, ret->id);
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"the saved machine of this shape was damaged, and is removed");
	}
	return 0;
}

void template_release(struct template *template)
{
	close_fd(&template->memory_fd);
	free(steal_ptr(template->state));
}

int template_copy_memory(const struct template *template, int memfd, struct cor_error *err)
{
	int r = each_data(template->memory_fd, put_run, &memfd);

	if (r == 0 && fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r < 0 ? cor_fail_errno(err, r, "the saved machine's memory") : 0;
}

void template_forget(const struct roots *roots, const char *id)
{
	_fd_ int folder = open_folder(roots, NULL);

	if (folder >= 0)
		tree_remove(folder, id);
}

/* ---- making ---- */

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
	_fd_ int folder = open_folder(roots, err);
	char name[FILE_NAME_MAX];
	struct stat st;
	int r;

	*ret = (struct template_maker){.dir = -1};
	if (folder < 0)
		return folder;
	name_shape(shape, ret->id);
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
	_fd_ int folder = maker->dir >= 0 ? open_folder(roots, NULL) : -1;
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
	r = each_data(from, put_run, &to);
	return r < 0 ? r : fdatasync(to) < 0 ? -errno : 0;
}

static int put_facts(int dir, const char *shape, int memory, uint64_t memory_size, const char *state_digest,
		     struct cor_error *err)
{
	_json_ json_t *document = NULL;
	char memory_digest[DIGEST_SIZE];
	int r = digest_memory(memory, memory_digest);

	if (r < 0)
		return cor_fail_errno(err, r, "what was saved");
	document = json_pack("{s:i, s:s, s:I, s:s, s:s}", "format", FORMAT, "shape", shape, "memorySize",
			     (json_int_t)memory_size, "memoryDigest", memory_digest, "stateDigest",
			     state_digest);
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
	_dir_ DIR *dir = opendir_at(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_(facts_release) struct facts facts = {0};
		_fd_ int one = -1;

		if (strlen(entry->d_name) != TEMPLATE_ID_SIZE - 1)
			continue;
		one = open_beneath(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (one < 0 || (read_facts(one, &facts) == 0 &&
				environment_size(facts.shape) == environment_size(shape) &&
				strncmp(facts.shape, shape, environment_size(shape)) == 0))
			continue;
		tree_remove(folder, entry->d_name);
	}
}

int template_publish(const struct roots *roots, struct template_maker *maker, const char *shape, int memory,
		     int state, struct cor_error *err)
{
	_fd_ int folder = open_folder(roots, err);
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

/* ---- all of them ---- */

/* Calls back with every name in the folder. */
static int each_name(const struct roots *roots, void (*visit)(int folder, const char *name, void *context),
		     void *context, struct cor_error *err)
{
	_fd_ int folder = open_folder(roots, err);
	_dir_ DIR *dir = folder < 0 ? NULL : opendir_at(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			visit(folder, entry->d_name, context);
	return MIN(folder, 0);
}

static bool is_published(const char *name)
{
	return strlen(name) == TEMPLATE_ID_SIZE - 1;
}

struct checking {
	bool repair;
	template_problem_fn *tell;
	void *context;
};

static const char *problem_of(int folder, const char *id)
{
	_cleanup_(template_release) struct template template = {.memory_fd = -1};
	_cleanup_(facts_release) struct facts facts = {0};
	_fd_ int dir = open_beneath(folder, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	char digest[DIGEST_SIZE];

	if (dir < 0 || open_parts(dir, &template) < 0 || read_facts(dir, &facts) < 0)
		return "a file of it is missing or damaged";
	if (digest_memory(template.memory_fd, digest) < 0 || strcmp(digest, facts.memory_digest) != 0)
		return "its memory is not what was saved";
	return NULL;
}

static void check_one(int folder, const char *name, void *context)
{
	const struct checking *checking = context;
	const char *problem = is_published(name) ? problem_of(folder, name) : NULL;

	if (!problem)
		return;
	checking->tell(name, problem, checking->context);
	if (checking->repair)
		tree_remove(folder, name);
}

int template_check(const struct roots *roots, bool repair, template_problem_fn *tell, void *context,
		   struct cor_error *err)
{
	struct checking checking = {.repair = repair, .tell = tell, .context = context};

	return each_name(roots, check_one, &checking, err);
}

struct usage {
	unsigned count;
	uint64_t bytes;
};

static uint64_t bytes_of(int folder, const char *name)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_free_ char *path = str_format("%s/%s", name, parts[i]);
		struct stat st;

		if (fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

static void measure_one(int folder, const char *name, void *context)
{
	struct usage *usage = context;

	usage->count += is_published(name);
	usage->bytes += bytes_of(folder, name);
}

static void prune_one(int folder, const char *name, void *context)
{
	_fd_ int dir = open_beneath(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct usage own = {0}, *usage = context;

	/* Whoever is at work there holds it. */
	if (dir < 0 || flock(dir, LOCK_EX | LOCK_NB) < 0)
		return;
	measure_one(folder, name, &own);
	if (tree_remove(folder, name) == 0) {
		usage->count += own.count;
		usage->bytes += own.bytes;
	}
}

static int sum_up(const struct roots *roots, void (*visit)(int, const char *, void *), unsigned *ret_count,
		  uint64_t *ret_bytes, struct cor_error *err)
{
	struct usage usage = {0};
	int r = each_name(roots, visit, &usage, err);

	*ret_count = usage.count;
	*ret_bytes = usage.bytes;
	return r;
}

int template_usage(const struct roots *roots, unsigned *ret_count, uint64_t *ret_bytes, struct cor_error *err)
{
	return sum_up(roots, measure_one, ret_count, ret_bytes, err);
}

int template_prune(const struct roots *roots, unsigned *ret_count, uint64_t *ret_bytes, struct cor_error *err)
{
	return sum_up(roots, prune_one, ret_count, ret_bytes, err);
}
