/* SPDX-License-Identifier: Apache-2.0 */
/* The two places where state lives, and the folders in them.
 *
 *   DATA/format                  "1\n"; a newer number is refused, an older one migrated
 *   DATA/images/                 the content store (src/image)
 *   DATA/names/NAME              holds the id of the container that has the name; made with O_EXCL, so that a name is taken once
 *   DATA/containers/ID/          the bundle: config.json (OCI), container.json, state.json, seccomp.bpf, files/, root.qcow2, log*, console.log*
 *   RUN/format
 *   RUN/c/SHORTID/               lock (flock held by the shim as long as it lives), shim.sock
 */
#pragma once

#include "base/error.h"

struct roots {
	char *data; /* absolute paths */
	char *run;
	int data_fd; /* open directories */
	int run_fd;
};

/* Opens (and makes, mode 0700) both; NULL takes the default that coracle/context.h describes. */
int roots_open(const char *data, const char *run, struct roots *ret, struct cor_error *err);
void roots_release(struct roots *roots);
