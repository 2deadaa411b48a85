/* SPDX-License-Identifier: Apache-2.0 */
/* Who a process is: names looked up in the container's own passwd and group files. The C library would ask the guest's
 * (there is none) and load plug-ins out of the image. Pure: the files come as text. */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define USER_FILE_MAX ((size_t)16 << 20) /* bytes of passwd or group that are looked at */

struct user {
	uint32_t uid, gid;
	uint32_t *groups; /* additional ones */
	size_t group_count;
	char *home; /* NULL: not known */
};

/* who: "name|uid[:group|gid]", as docker run --user takes it: names first, then numbers that need not be listed. Without a group it is that of passwd (0 for a
 * number that is not listed), with the additional groups that list the name. passwd and group: the files' text, NULL where there is no file.
 * COR_NOT_FOUND, COR_INVALID. */
int user_find(const char *passwd, const char *group, const char *who, struct user *ret,
	      struct cor_error *err);

/* Only ->home, for a uid. NULL when it is not listed; the caller's otherwise. */
char *user_home(const char *passwd, uint32_t uid);

void user_release(struct user *user);
