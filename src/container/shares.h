/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and files of the host that a container sees: what --volume and --mount ask for, as container.json keeps it. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "coracle/container.h"

#include <jansson.h>

#define SHARES_MAX 16

/* Its number is its place in the list. */
struct container_share {
	char *host;      /* absolute path */
	char *container; /* absolute path */
	bool read_only;
	bool file; /* and no directory */
};

struct container_shares {
	struct container_share *items;
	size_t count;
};

void container_shares_release(struct container_shares *shares);

/* What the options ask for. What --volume names and is not there becomes a directory; what --mount names must be there. Relative paths mean the working directory. COR_INVALID,
 * COR_NOT_FOUND. Unix sockets are left to sockets.h. */
int container_shares_choose(const struct cor_container_options *options, struct container_shares *ret,
			    struct cor_error *err);

/* A directory that is there. COR_INVALID when there are too many. */
int container_shares_add(struct container_shares *shares, const char *host, const char *container,
			 bool read_only, struct cor_error *err);

/* Where the guest mounts the share of that number, for Mount in agent.proto; the caller's. */
char *container_share_place(const char *id, size_t number);
/* Appends to the mounts of a config.json what binds them into container `id`. */
void container_shares_mount(const struct container_shares *shares, const char *id, json_t *mounts);

json_t *container_shares_to_json(const struct container_shares *shares);
/* 0 or -EINVAL; what was filled is to be released either way. */
int container_shares_from_json(const json_t *array, struct container_shares *shares);
