/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system of a container, mounted in the guest's own mount name space for the first process to take. */
#pragma once

#include "agent.pb-c.h"
#include "init/container.h"

/* Mounts the root at container->root, or the folder of the guest that config.json names. */
int root_mount(struct container *container, const Coracle__Agent__V1__Filesystem *root,
	       struct cor_error *err);

/* An ext4 file system that is larger holds so many bytes and no more; 0: all that it can. */
int root_limit(struct container *container, uint64_t capacity, struct cor_error *err);

/* Takes it away; nothing may run in the container any more. */
void root_unmount(struct container *container);
