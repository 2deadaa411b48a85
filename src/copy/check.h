/* SPDX-License-Identifier: Apache-2.0 */
/* What the names in an entry may be when its sender means harm to who takes it. */
#pragma once

#include "base/cleanup.h"
#include "copy/entry.h"

struct copy_check {
	const char *name; /* of every entry, or of a folder above it; "": any. Borrowed */
	char **known;     /* a hash table of paths of files with several names */
	size_t count, capacity, bytes;
};

void copy_check_release(struct copy_check *check);

/* COR_CORRUPT for what nobody asked for. */
int copy_check_name(const struct copy_check *check, const struct copy_entry *entry, struct cor_error *err);
/* COR_CORRUPT for a hard link to what did not come before, by this same call. */
int copy_check_link(struct copy_check *check, const struct copy_entry *entry, struct cor_error *err);
