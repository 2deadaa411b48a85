/* SPDX-License-Identifier: Apache-2.0 */
/* Trees of files on their way: what a walk finds, what a message or an archive holds, what is written. Whoever makes entries gives them to a sink, depth first,
 * parents before what is in them; contents follow their file's entry. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COPY_PATH_MAX       4095u
#define COPY_NAME_MAX       255u
#define COPY_ATTRIBUTES_MAX 256u
#define COPY_VALUE_MAX      65536u

struct copy_attribute {
	const char *name; /* with its prefix: "security.capability" */
	const void *value;
	size_t size;
};

struct copy_entry {
	const char *path; /* relative; "": the top itself */
	mode_t mode;      /* type and permissions; never a socket */
	uint32_t uid, gid;
	int64_t mtime; /* seconds since the epoch */
	uint32_t mtime_ns;
	uint64_t size;         /* of a regular file */
	const char *target;    /* of a symbolic link */
	const char *hard_link; /* the path of an entry before, whose file this is another name of; or NULL */
	uint32_t links;        /* names of the file */
	uint32_t major, minor; /* of a device */
	const struct copy_attribute *attributes;
	size_t attribute_count;
	uint64_t inode; /* these where a walk was asked for details */
	int64_t ctime;
	uint32_t ctime_ns;
};

/* All that is given is borrowed for the call. An error ends the copy. */
struct copy_sink {
	int (*entry)(void *user, const struct copy_entry *entry, struct cor_error *err);
	/* A piece of the last entry's contents; pieces come at rising offsets and end within its size. What no piece covers is zeros. */
	int (*data)(void *user, uint64_t offset, const void *data, size_t size, struct cor_error *err);
	/* The same for a piece that stands in an open file, at the same offset; what the file has not any more is zeros. May be NULL: then it is read, and given to data. */
	int (*range)(void *user, uint64_t offset, int fd, size_t size, struct cor_error *err);
	void *user;
};

/* True for what an entry may be called: parts joined by "/", none of them empty, "." or ".."; or nothing at all. */
bool copy_path_valid(const char *path);

/* True if path is name or lies below it. An empty name has everything below it. */
bool copy_path_below(const char *path, const char *name);
