/* SPDX-License-Identifier: Apache-2.0 */
/* All templates there are: whether they are whole, what they take, and their removal. */
#include "container/template_internal.h"

#include "base/file.h"
#include "base/macro.h"
#include "base/str.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

static const char *const parts[] = TEMPLATE_PARTS;

/* Calls back with every name in the folder. */
static int each_name(const struct roots *roots, void (*visit)(int folder, const char *name, void *context),
		     void *context, struct cor_error *err)
{
	_fd_ int folder = template_open_folder(roots, err);
	_dir_ DIR *dir = folder < 0 ? NULL : template_list(folder);
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
	_cleanup_(template_facts_release) struct template_facts facts = {0};
	_fd_ int dir = open_beneath(folder, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	char digest[DIGEST_SIZE];

	if (dir < 0 || template_read(dir, &template) < 0 || template_read_facts(dir, &facts) < 0)
		return "a file of it is missing or damaged";
	if (template_digest_pages(template.memory_fd, digest) < 0 || strcmp(digest, facts.memory_digest) != 0)
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
