/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a container that are relayed: those of the host, which its guest offers inside, and those of its own, which the shim offers on the host. */
#pragma once

#include "shim/shim.h"

/* Before the machine starts: the host's sockets must be there, and those that are published are made. Nobody is accepted yet. */
int sockets_open(struct shim *shim, struct cor_error *err);

/* The container is made: the guest is asked to listen. ready is called when it does, at once if there is nothing to do; what fails ends the shim. */
void sockets_listen(struct shim *shim, void (*ready)(struct shim *shim));

/* The container's process runs: those who wait at published sockets are let in. */
void sockets_publish(struct shim *shim);

/* A relay has ended: those who waited for its place may come. */
void sockets_resume(struct shim *shim);

/* The end: published sockets are removed. */
void sockets_close(struct shim *shim);
void sockets_free(struct shim *shim);
