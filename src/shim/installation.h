/* SPDX-License-Identifier: Apache-2.0 */
/* Where this installation keeps the guest's kernel and first process. */
#pragma once

#include "base/error.h"

/* Both look at how a file begins: one that is named and cannot be a kernel or an initramfs is COR_INVALID, in the other places it does not count.
 *
 * Opens for reading: `given` if it is not NULL; else $CORACLE_KERNEL; else what the build was told; else vmlinux in PREFIX/lib/coracle or beside this
 * executable; else the newest that kernel/build.sh left in the cache. ret_path (may be NULL) is the caller's. COR_NOT_FOUND with what to do. */
int kernel_open(const char *given, int *ret_fd, char **ret_path, struct cor_error *err);
/* The same for the initramfs: `given`, $CORACLE_INITRAMFS, the build tree's or the installation's. */
int initramfs_open(const char *given, int *ret_fd, char **ret_path, struct cor_error *err);
