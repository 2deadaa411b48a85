/* SPDX-License-Identifier: Apache-2.0 */
/* Where a copy goes: Docker's rules for `cp`, on texts alone (docs.docker.com, "docker container cp"). */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>

/* An absolute path, without "." and ".." and empty parts: path itself, or what it means below folder. A trailing "/" or "/." is kept, since it means something. The
 * caller's. */
char *copy_path_clean(const char *folder, const char *path);

/* The last part; empty where path ends in "/." or is "/": then what is in the folder is meant and not the folder. The caller's. */
char *copy_path_name(const char *path);
/* What holds the last part, which counts here without a trailing "/" or "/.". The caller's. */
char *copy_path_parent(const char *path);

struct copy_plan {
	char *folder; /* which must be there */
	char *name;   /* of the copy in it; empty: the contents of the source go straight into it */
};

/* source_name as copy_path_name says. dest is cleaned; it is what a link there leads to. COR_NOT_FOUND, COR_BUSY where the rules forbid it. */
int copy_plan_make(const char *source_name, bool source_is_folder, const char *dest, bool dest_exists,
		   bool dest_is_folder, struct copy_plan *ret, struct cor_error *err);
void copy_plan_release(struct copy_plan *plan);
#define _copy_plan_ _cleanup_(copy_plan_release)
