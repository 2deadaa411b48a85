/* SPDX-License-Identifier: Apache-2.0 */
/* What people write behind --volume and --mount, in Docker's two languages. Pure: nothing of it is looked for. */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

enum volume_kind {
	VOLUME_BIND,      /* source is a path of the host, as it was written */
	VOLUME_NAMED,     /* source is a name */
	VOLUME_ANONYMOUS, /* no source */
	VOLUME_TMPFS,     /* no source */
};

struct volume_request {
	enum volume_kind kind;
	char *source; /* or NULL */
	char *target; /* absolute, without "//", "." and "..", and not "/" */
	bool read_only;
	bool no_copy;  /* of a volume: leave it empty */
	bool has_mode; /* of a tmpfs */
	uint32_t tmpfs_mode;
	uint64_t tmpfs_size; /* bytes; 0: as the kernel has it */
	char *propagation;   /* of a bind: "rprivate", …; NULL: not given */
	struct strv options; /* of a volume's driver: KEY=VALUE */
};
void volume_request_release(struct volume_request *request);

/* "[SOURCE:]TARGET[:OPTION,…]": a source that begins with "/", "." or "~/" is a path, another one a volume's name. COR_INVALID. */
int volume_parse(const char *text, struct volume_request *ret, struct cor_error *err);

/* "type=bind|volume|tmpfs,source=…,target=…,…": comma-separated values (RFC 4180, so that a part in quotes may hold commas); without a type it is a volume.
 * COR_INVALID. */
int volume_parse_mount(const char *text, struct volume_request *ret, struct cor_error *err);

/* An absolute path of a container, without empty and "." parts. -EINVAL for others, for those with "..", and for "/". */
int volume_target(const char *path, char **ret);

/* A path of the host as people write it: "~/" is the home folder, and relative ones mean the working directory. Absolute, the caller's. */
char *volume_path(const char *path);
