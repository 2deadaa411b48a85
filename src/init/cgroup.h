/* SPDX-License-Identifier: Apache-2.0 */
/* One control group (version 2) per container, below the guest's root group where init itself stays. */
#pragma once

#include "oci/runtime_spec.h"

#include <sys/types.h>

/* Once, after cgroup2 is mounted at /sys/fs/cgroup: lets groups below use all controllers that the kernel has. */
void cgroup_enable_controllers(void);

/* Makes the group of a container, by whose id it is called, and sets its limits. *ret_fd is its directory. */
int cgroup_make(const char *name, const struct oci_resources *limits, int *ret_fd, struct cor_error *err);
int cgroup_limit(int group, const struct oci_resources *limits, struct cor_error *err);
/* Removes it; every process must have ended. 0 or -errno. */
int cgroup_remove(const char *name);

/* SIGKILL to all of its processes, also to those that are just being made. */
int cgroup_kill(int group);
/* Keeps all of its processes from running, or lets them go. It comes to pass a little later, which cgroup_is_frozen tells. 0 or -errno. */
int cgroup_freeze(int group, bool freeze);
bool cgroup_is_frozen(int group);
/* The processes in it, in the guest's numbers; the caller frees *ret. */
int cgroup_processes(int group, pid_t **ret, size_t *ret_count);

/* A file of one number ("max" is UINT64_MAX), and one line "KEY NUMBER" of a file of many. 0 where there is none. */
uint64_t cgroup_number(int group, const char *file);
uint64_t cgroup_keyed(int group, const char *file, const char *key);
/* Bytes read and written over all disks (io.stat). */
void cgroup_io(int group, uint64_t *ret_read, uint64_t *ret_written);
