/* SPDX-License-Identifier: Apache-2.0 */
#include "copy/entry.h"

#include <string.h>

bool copy_path_valid(const char *path)
{
	if (!*path)
		return true;
	if (strlen(path) > COPY_PATH_MAX)
		return false;
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > COPY_NAME_MAX || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

bool copy_path_below(const char *path, const char *name)
{
	size_t n = strlen(name);

	return n == 0 || (strncmp(path, name, n) == 0 && (path[n] == '/' || !path[n]));
}
