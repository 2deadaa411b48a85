/* SPDX-License-Identifier: Apache-2.0 */
/* The host's end of a guest's network card. */
#pragma once

/* A new tap device of that name, down and in no bridge, with headers for virtio's offloads. It is gone when its last descriptor is closed. *ret_fd is
 * the caller's. 0 or -errno: -EPERM, -ENOENT where the kernel has none, -EBUSY for a name that is taken. */
int tap_open(const char *name, int *ret_fd);
