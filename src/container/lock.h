/* SPDX-License-Identifier: Apache-2.0 */
/* The lock that says "this container's shim lives": an flock on RUN/c/SHORTID/lock. */
#pragma once

#include "container/roots.h"

#include <stdbool.h>
#include <sys/types.h>

/* Takes it; *ret_fd holds it until it is closed (also by death). COR_BUSY when it is held. */
int container_lock(const struct roots *roots, const char *id, int *ret_fd, struct cor_error *err);
/* As who looks has it: it keeps shims out, and no other who looks. COR_BUSY when a shim lives. */
int container_lock_shared(const struct roots *roots, const char *id, int *ret_fd, struct cor_error *err);
/* Its shim writes its pid (a decimal line) into the lock that it has taken; 0 when none is there. True as long as the lock is held. One that only reaches the files of
 * a stopped container says so behind it. */
void container_lock_sign(int lock_fd, bool maintenance);
pid_t container_lock_pid(const struct roots *roots, const char *id);
bool container_lock_is_maintenance(const struct roots *roots, const char *id);
/* 1 held by someone, 0 free, -errno. */
int container_is_locked(const struct roots *roots, const char *id);
