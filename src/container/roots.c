/* SPDX-License-Identifier: Apache-2.0 */
/* Finds, makes and checks the two roots. Everything below them is reached through the two descriptors, so that a process that changes
 * its working directory or its mounts still means the same folders. Both hold private things and are made with mode 0700; one that
 * another user could write to is refused, because the run root may have to lie in /tmp. */
#include "container/roots.h"

#include "base/file.h"
#include "base/size.h"
#include "base/str.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FORMAT_VERSION 1 /* of both roots */

/* An environment variable that holds an absolute path, or NULL: the XDG base directory specification wants others ignored. */
static const char *path_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value == '/' ? value : NULL;
}

static char *default_data_root(void)
{
	const char *base;

	if (geteuid() == 0)
		return xstrdup("/var/lib/coracle");
	base = path_variable("XDG_DATA_HOME");
	if (base)
		return str_format("%s/coracle", base);
	base = path_variable("HOME");
	return base ? str_format("%s/.local/share/coracle", base) : NULL;
}

static char *default_run_root(void)
{
	const char *base;

	if (geteuid() == 0)
		return xstrdup("/run/coracle");
	base = path_variable("XDG_RUNTIME_DIR");
	if (base)
		return str_format("%s/coracle", base);
	return str_format("/tmp/coracle-%lu", (unsigned long)geteuid());
}

static char *absolute(const char *path)
{
	_free_ char *here = NULL;

	if (*path == '/')
		return xstrdup(path);
	here = getcwd(NULL, 0);
	return here ? str_format("%s/%s", here, path) : NULL;
}

/* Names a data root in a few characters that can be a folder's name (FNV-1a; the path itself may be too long). */
static uint64_t path_hash(const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	return hash;
}

static char *choose_data(const char *given)
{
	if (str_empty(given))
		given = getenv("CORACLE_ROOT");
	return str_empty(given) ? default_data_root() : absolute(given);
}

static char *choose_run(const char *given, const char *data)
{
	_free_ char *usual_data = NULL, *usual_run = NULL, *real = NULL;

	if (str_empty(given))
		given = getenv("CORACLE_RUNTIME_DIR");
	if (!str_empty(given))
		return absolute(given);
	usual_data = default_data_root();
	usual_run = default_run_root();
	if (str_equal(usual_data, data))
		return steal_ptr(usual_run);
	/* Two spellings of one data root must give one run root. */
	real = realpath(data, NULL);
	return str_format("%s/r/%016llx", usual_run, (unsigned long long)path_hash(real ? real : data));
}

/* ---- formats ---- */

/* migrations[n] makes format n + 1 of format n. It may be cut short and run again, so that it must not mind what it has done already. Format 0 is what development
 * versions wrote before there was a number; it differs in nothing but that. */
static int migrate_0(int dir)
{
	return 0;
}

static int (*const migrations[])(int dir) = {migrate_0};
_Static_assert(ARRAY_SIZE(migrations) == FORMAT_VERSION, "there is a way from every format to the next");

static int write_format(int dir, int64_t version)
{
	_free_ char *text = str_format("%lld\n", (long long)version);

	return file_write_atomic(dir, "format", text, strlen(text), 0600);
}

/* -ENOENT when there is none. */
static int read_format(int dir, const char *root, int64_t *ret, struct cor_error *err)
{
	_free_ char *text = NULL;
	int r = file_read(dir, "format", 64, &text, NULL);

	if (r < 0)
		return cor_fail_errno(err, r, "read '%s/format'", root);
	text[strcspn(text, "\n")] = '\0';
	if (number_parse(text, 0, INT32_MAX, ret) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "'%s/format' holds no version number", root);
	return 0;
}

/* One process at a time; those that come meanwhile wait and find it done. The number is written after each step. */
static int migrate(int dir, const char *root, struct cor_error *err)
{
	_fd_ int lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t version = 0;
	int r;

	if (lock < 0)
		return cor_fail_errno(err, errno, "open '%s'", root);
	while (flock(lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "lock '%s'", root);
	r = read_format(dir, root, &version, err);
	while (r == 0 && version < FORMAT_VERSION) {
		r = migrations[version](dir);
		r = r ?: write_format(dir, ++version);
		if (r < 0)
			cor_fail_errno(err, r, "migrate '%s' to format %lld", root, (long long)version);
	}
	return r;
}

static int check_format(int dir, const char *root, struct cor_error *err)
{
	int64_t version;
	int r = read_format(dir, root, &version, err);

	if (r == -ENOENT) {
		r = write_format(dir, FORMAT_VERSION);
		return r < 0 ? cor_fail_errno(err, r, "cannot write below '%s'", root) : 0;
	}
	if (r < 0)
		return r;
	if (version > FORMAT_VERSION)
		return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT,
				"'%s' has format %lld and this coracle knows up to %d: use a newer coracle "
				"or another root",
				root, (long long)version, FORMAT_VERSION);
	return version < FORMAT_VERSION ? migrate(dir, root, err) : 0;
}

/* ---- opening ---- */

/* Where everybody may make folders, the default run root could be prepared by somebody else: as a link, or as a folder of theirs with ours in it. */
static int check_shared(const char *base, struct cor_error *err)
{
	_fd_ int fd = -1;
	struct stat st;

	if (mkdir(base, 0700) < 0 && errno != EEXIST)
		return cor_fail_errno(err, errno, "cannot make '%s'", base);
	fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022))
		return cor_fail(err, COR_PERMISSION, EPERM,
				"'%s' is not a folder of yours alone: set CORACLE_RUNTIME_DIR to one that is",
				base);
	return 0;
}

static int open_root(const char *path, const char *const *folders, int *ret_fd, struct cor_error *err)
{
	_fd_ int fd = -1;
	struct stat st;
	int r = dir_open_make(AT_FDCWD, path, 0700, &fd);

	if (r < 0)
		return cor_fail_errno(err, r, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return cor_fail_errno(err, errno, "stat '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return cor_fail(
			err, COR_PERMISSION, EPERM,
			"'%s' belongs to another user or can be written to by others: choose another root",
			path);
	r = check_format(fd, path, err);
	if (r < 0)
		return r;
	for (; *folders; folders++)
		if (mkdirat(fd, *folders, 0700) < 0 && errno != EEXIST)
			return cor_fail_errno(err, errno, "cannot make '%s/%s'", path, *folders);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int roots_open(const char *data, const char *run, struct roots *ret, struct cor_error *err)
{
	static const char *const data_folders[] = {"images", "names", "containers", NULL};
	static const char *const run_folders[] = {"c", NULL};
	_cleanup_(roots_release) struct roots roots = {.data_fd = -1, .run_fd = -1};
	_free_ char *usual_run = NULL;
	int r;

	roots.data = choose_data(data);
	if (!roots.data)
		return cor_fail(err, COR_INVALID, EINVAL, "no place for data: set CORACLE_ROOT or HOME");
	r = open_root(roots.data, data_folders, &roots.data_fd, err);
	if (r < 0)
		return r;
	roots.run = choose_run(run, roots.data);
	if (!roots.run)
		return cor_fail(err, COR_INVALID, EINVAL,
				"no place for volatile state: set CORACLE_RUNTIME_DIR");
	usual_run = default_run_root();
	if (str_after(usual_run, "/tmp/") && str_after(roots.run, usual_run))
		r = check_shared(usual_run, err);
	r = r ?: open_root(roots.run, run_folders, &roots.run_fd, err);
	if (r < 0)
		return r;
	*ret = roots;
	roots = (struct roots){.data_fd = -1, .run_fd = -1};
	return 0;
}

void roots_release(struct roots *roots)
{
	free(roots->data);
	free(roots->run);
	cleanup_fd(&roots->data_fd);
	cleanup_fd(&roots->run_fd);
	*roots = (struct roots){.data_fd = -1, .run_fd = -1};
}
