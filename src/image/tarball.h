/* SPDX-License-Identifier: Apache-2.0 */
/* The archive that `image load` reads: a tar, plain or compressed as a whole, of an OCI layout or of what `docker save` writes. It comes as a
 * stream, in any order, so its files are put aside one by one, under names of our own, and hashed on the way. Names in the archive never become
 * names on the host: links in it are followed on paper. */
#pragma once

#include "base/error.h"
#include "oci/digest.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define TARBALL_MEMBERS_MAX 100000u

struct tarball_member {
	char *path;               /* "blobs/sha256/…", without "./" */
	char *target;             /* of a link: a path within the archive; otherwise NULL */
	char file[16];            /* its name in the folder */
	char digest[DIGEST_SIZE]; /* of its content */
	uint64_t size;
};

struct tarball {
	int dir;                      /* borrowed: the folder */
	struct tarball_member *items; /* sorted by path, each path once */
	size_t count;
};

/* Reads fd to its end and writes what it holds into the folder dir, which is borrowed as long as *ret lives. COR_CORRUPT for what is no archive,
 * is cut off, leads out or holds a name twice. */
int tarball_receive(int fd, int dir, struct tarball *ret, struct cor_error *err);
void tarball_release(struct tarball *contents);
#define _tarball_ _cleanup_(tarball_release)

/* The regular file at a path, through links; NULL. The member's own name may differ. */
const struct tarball_member *tarball_find(const struct tarball *contents, const char *path);
/* The same, but a link is not followed: NULL for it. */
const struct tarball_member *tarball_find_file(const struct tarball *contents, const char *path);
/* The blob of an OCI layout; COR_CORRUPT if it is missing, or its size or digest is not what was said. */
int tarball_find_blob(const struct tarball *contents, const char *digest, uint64_t size,
		      const struct tarball_member **ret, struct cor_error *err);

/* Reads a member that is a JSON document of at most max bytes; an array is taken too. */
int tarball_read_json(const struct tarball *contents, const struct tarball_member *member, size_t max,
		      json_t **ret, struct cor_error *err);
