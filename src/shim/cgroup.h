/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup for a shim, its VMM and what serves shares and networks, below the caller's: what they use is counted together, and can be limited from outside. Works on version 2, version 1 and
 * both at once. A help, not a wall: a host that gives us no cgroup (an ordinary user's without delegation) runs containers all the same. */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <stdint.h>
#include <sys/types.h>

struct cgroup {
	struct strv paths;   /* of our groups, one per hierarchy */
	struct strv parents; /* where this process came from, in the same order */
};

/* Makes the groups with this process in them, below those of the process `below` (0: of this one); removes empty ones beside them that killed shims left. Fails when not one could be
 * made. */
int cgroup_make(const char *name, pid_t below, struct cgroup *ret, struct cor_error *err);
/* A process that a shim has started leaves the shim's groups for those around them. */
void cgroup_step_out(void);
/* Moves all into them that were started before they were made; what is started later is there from its beginning. */
void cgroup_add_descendants(struct cgroup *cgroup);
/* So much memory for all that is in them, where the host lets us say so: 0, or the error of the last try; -ENOENT without such a controller. */
int cgroup_limit_memory(const struct cgroup *cgroup, uint64_t bytes);
/* Moves the calling process back and removes them. Empty or {0} is fine. */
void cgroup_leave(struct cgroup *cgroup);

/* Public for its tests. One line of /proc/self/cgroup ("4:memory:/a/b", "0::/a/b") and the root of all hierarchies give a group's folder; NULL for a line
 * that names none we use. The caller's. */
char *cgroup_folder(const char *line, const char *root);
/* The file of a group's folder that limits its memory, of either version; NULL when it has none. The caller's. */
char *cgroup_memory_file(const char *folder);
