/* SPDX-License-Identifier: Apache-2.0 */
/* The file system that a container sees, built by its first process in a mount name space of its own. */
#pragma once

#include "oci/runtime_spec.h"

/* The caller has a fresh mount name space. Mounts what the specification says on root (a mount point), makes the devices, and makes root
 * the "/" of the caller, with nothing else left in sight. cwd is made where it is missing and can be. */
int rootfs_enter(const struct oci_spec *spec, const char *root, const char *cwd, struct cor_error *err);

/* Afterwards: sysctls, hidden and read-only paths, and the root read-only where it is to be. */
int rootfs_protect(const struct oci_spec *spec, struct cor_error *err);

/* Puts the terminal (a path such as "/dev/pts/0") at /dev/console. */
int rootfs_bind_console(const char *terminal, struct cor_error *err);
