/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a tree within the guest, from one file system to another: contents (holes stay holes), owners, modes, times, extended attributes, hard links within the
 * tree, links and devices. */
#pragma once

#include "base/error.h"

/* Copies what the directory `from` holds, and its own attributes, to the empty directory `to`. Links are copied and not followed. Takes as long as it takes; for a process that
 * has nothing else to do. */
int clone_tree(int from, int to, struct cor_error *err);
