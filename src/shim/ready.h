/* SPDX-License-Identifier: Apache-2.0 */
/* A shim whose machine waits in the pool (container/pool.h) until a container claims it.
 *
 *   boots or goes on ──► rehearses, a few times ──► waits ──(claimed)──► BOOTING of shim.h, with a guest that has answered
 *
 * Until then it is `unclaimed`: it has no container, its clients are claimers, and what fails ends it. */
#pragma once

#include "coracle/error.h"

#include "agent.pb-c.h"

struct shim;

/* Takes a place in the pool and begins; the loop does the rest. argument: the id on the command line, which becomes the container's. COR_NOT_FOUND when there is nothing to do. */
int ready_begin(struct shim *shim, char *argument, struct cor_error *err);
/* The guest has said Hello. */
void ready_answered(struct shim *shim);
/* A rehearsal's process has ended. */
void ready_exited(struct shim *shim, const Coracle__Agent__V1__ExitStatus *status);
/* It ends, whatever it does. */
void ready_end(struct shim *shim);
void ready_free(struct shim *shim);

/* A container has been started, perhaps with a machine of the pool: places in it that are free are filled, a little later, so as not to be in the way of what it does first … */
void ready_refill_soon(struct shim *shim);
/* … or now, if that is still to be. */
void ready_refill_now(struct shim *shim);
