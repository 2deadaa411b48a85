/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a tree and giving it to a sink: depth first, names in the order of their bytes, nothing followed, only regular files and folders opened. The tree may
 * change meanwhile, also by somebody who means harm: what vanishes is left out, what turns into something else is taken for what it is when it is opened. */
#pragma once

#include "copy/entry.h"

#include <stddef.h>

enum copy_attributes {
	COPY_NO_ATTRIBUTES,
	COPY_CAPABILITIES, /* security.capability alone, which makes a program work */
	COPY_ALL_ATTRIBUTES,
};

struct copy_walk {
	struct copy_sink sink;
	const char *name; /* what the entries' paths begin with; "": the top has the path "" */
	enum copy_attributes attributes;
	bool details;          /* inode and change time too */
	bool only_metadata;    /* no contents, and no hard links: every name is the file */
	const uint8_t *wanted; /* a bit for each entry, NULL: all; what lies behind its end is not wanted */
	size_t wanted_size;    /* bytes */
};

/* Walks what `last`, a name in the folder dir or ".", stands for. COR_NOT_FOUND if nothing. Sockets are left out, and so is what is in the kernel's own file
 * systems (proc, sysfs, …) below the top; files whose path would be too long are an error. */
int copy_walk(int dir, const char *last, const struct copy_walk *walk, struct cor_error *err);

/* Fills what stat tells; path and target are the caller's to add. */
struct stat;
void copy_entry_fill(struct copy_entry *entry, const struct stat *st, bool details);
