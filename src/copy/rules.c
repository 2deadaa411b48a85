/* SPDX-License-Identifier: Apache-2.0 */
#include "copy/rules.h"

#include "base/str.h"

#include <errno.h>

static bool ends_in_slash(const char *path)
{
	size_t n = strlen(path);

	return n > 1 && path[n - 1] == '/';
}

static bool ends_in_dot(const char *path)
{
	size_t n = strlen(path);

	return n && path[n - 1] == '.' && (n == 1 || path[n - 2] == '/');
}

static void add_parts(struct strv *parts, const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (parts->count) {
				free(parts->items[--parts->count]);
				parts->items[parts->count] = NULL;
			}
		} else if (n && !(n == 1 && p[0] == '.')) {
			strv_take(parts, xstrndup(p, n));
		}
		p += n + (p[n] == '/');
	}
}

char *copy_path_clean(const char *folder, const char *path)
{
	_strv_ struct strv parts = {0};
	_free_ char *joined = NULL;
	const char *tail = "";

	if (*path != '/')
		add_parts(&parts, folder);
	add_parts(&parts, path);
	joined = strv_join(&parts, "/");
	if (parts.count)
		tail = ends_in_dot(path) ? "/." : ends_in_slash(path) ? "/" : "";
	return str_format("/%s%s", joined, tail);
}

char *copy_path_parent(const char *path)
{
	_strv_ struct strv parts = {0};
	_free_ char *joined = NULL;

	add_parts(&parts, path);
	if (parts.count) {
		free(parts.items[--parts.count]);
		parts.items[parts.count] = NULL;
	}
	joined = strv_join(&parts, "/");
	return str_format("/%s", joined);
}

static char *last_part(const char *path)
{
	_strv_ struct strv parts = {0};

	add_parts(&parts, path);
	return xstrdup(parts.count ? parts.items[parts.count - 1] : "");
}

char *copy_path_name(const char *path)
{
	return ends_in_dot(path) ? xstrdup("") : last_part(path);
}

void copy_plan_release(struct copy_plan *plan)
{
	free(plan->folder);
	free(plan->name);
	*plan = (struct copy_plan){0};
}

int copy_plan_make(const char *source_name, bool source_is_folder, const char *dest, bool dest_exists,
		   bool dest_is_folder, struct copy_plan *ret, struct cor_error *err)
{
	if (dest_exists && dest_is_folder) {
		*ret = (struct copy_plan){xstrdup(dest), xstrdup(source_name)};
		return 0;
	}
	if (dest_exists && source_is_folder)
		return cor_fail(err, COR_BUSY, ENOTDIR,
				"'%s' is no directory, and a directory cannot be copied over it", dest);
	if (!dest_exists && (ends_in_dot(dest) || (ends_in_slash(dest) && !source_is_folder)))
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no directory '%s'", dest);
	*ret = (struct copy_plan){copy_path_parent(dest), last_part(dest)};
	return 0;
}
