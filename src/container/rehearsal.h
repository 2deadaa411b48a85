/* SPDX-License-Identifier: Apache-2.0 */
/* A container that does at its beginning what most do, and ends: what a machine does for it once, it does faster the next time. */
#pragma once

#include "container/record.h"

#define REHEARSAL_DISK "rootfs.ext4"

/* Its bundle in an empty folder (path: the same, absolute), with a root of its own, in which nothing is that a user or an image has given. */
int rehearsal_write(int dir, const char *path, const char *id, const struct machine_config *machine,
		    struct container_record *ret, struct cor_error *err);
