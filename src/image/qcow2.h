/* SPDX-License-Identifier: Apache-2.0 */
/* Empty overlay disks in QEMU's qcow2 format, version 3 (docs/interop/qcow2.txt of QEMU). */
#pragma once

#include "base/error.h"

#include <stdint.h>

/* Writes an overlay without content of its own into the empty file fd. It carries no backing name: whoever opens it gives the backing
 * node explicitly, so that nothing that a guest writes into its disk's header can name a file of the host.
 * virtual_size: bytes, a multiple of 512, at most 8 TiB; COR_INVALID otherwise. */
int qcow2_create(int fd, uint64_t virtual_size, struct cor_error *err);
