/* SPDX-License-Identifier: Apache-2.0 */
/* Machines that wait for a container. Each is a shim of its own; what it says of itself lies in RUN/pool:
 *
 *   N.slot    N from 0 on: an open file description's lock (fcntl(2)) that a shim holds from its beginning until it is claimed, so that there are never more than wanted; in it "SHIM VMM READY"
 *   KEY.PID   the socket of one that is ready. Whoever is connected there and then has taken that name away, has claimed it; nobody else can
 *   N.d       the files of its rehearsals, until it is ready
 *   log       what they say before they are claimed
 *
 * KEY stands for all that a claimer must have in common with the shim: program, environment, namespaces, processors and memory. The shim looks again, more closely. How many are
 * wanted is in DATA/pool.json. */
#pragma once

#include "container/record.h"

#include <signal.h>

#define POOL_KEY_SIZE 17
#define POOL_SIZE_MAX 64u
/* Ends a shim that nobody has claimed; one that is a container's takes no notice. */
#define POOL_DRAIN SIGUSR1

struct pool_config {
	unsigned size; /* 0: there is none */
	unsigned cpus;
	uint64_t memory;
};
/* Size 0 where nothing was said. */
int pool_config_read(const struct roots *roots, struct pool_config *ret);
int pool_config_write(const struct roots *roots, const struct pool_config *config, struct cor_error *err);

/* Whether a place is free. */
bool pool_has_room(const struct roots *roots, const struct pool_config *config);
/* Starts a shim that fills one place, and has the next filled when it is ready; it ends by itself if there is none. Returns at once. */
int pool_fill(const struct roots *roots, struct cor_error *err);
/* Ends all that wait, and those that are on their way. Returns when they have ended. */
int pool_drain(const struct roots *roots, struct cor_error *err);

/* What machines have left that were killed; removed if repair. Whoever fills a place removes it too. */
void pool_check(const struct roots *roots, bool repair, void (*found)(const char *name, void *context),
		void *context);

struct pool_status {
	unsigned ready, starting;
	uint64_t memory; /* bytes that they cost: the proportional set sizes of shims and VMMs */
};
int pool_status(const struct roots *roots, struct pool_status *ret);
/* Both as people are told; the caller's. */
int pool_facts(const struct roots *roots, json_t **ret, struct cor_error *err);

/* ---- claiming ---- */

/* Whether a machine of the pool can become this container's: no disk but its root, no network, nothing of the installation replaced. */
bool pool_fits(const struct container_record *record);
/* A claimed machine's shim becomes the container's, logs into log_fd (borrowed), and is connected: *ret_fd, the caller's. -ENOENT when there is none, -ETIMEDOUT when one does not
 * answer for two seconds; nothing of the container has happened then. */
int pool_claim(const struct roots *roots, const struct container_record *record, int log_fd, int *ret_fd);

/* ---- being claimed ---- */

struct pool_place {
	int folder, slot;
	unsigned number;
	char name[POOL_KEY_SIZE + 12]; /* of the socket; empty: none yet */
};
/* Takes a free place. -ENOENT: all are taken. */
int pool_place_take(const struct roots *roots, const struct pool_config *config, struct pool_place *ret);
void pool_place_tell(const struct pool_place *place, pid_t vmm, bool ready);
/* From here on it can be claimed. key as by pool_key. */
int pool_place_open(struct pool_place *place, const char *key, int *ret_fd);
/* False: somebody has claimed it, or nobody ever will. */
bool pool_place_is_open(const struct pool_place *place);
/* Nobody can claim it any more. Twice is fine. */
void pool_place_close(struct pool_place *place);
/* That too, and the place is free for another. Twice is fine. */
void pool_place_release(struct pool_place *place);

/* shim: the program's path. */
void pool_key(const char *shim, unsigned cpus, uint64_t memory, char out[POOL_KEY_SIZE]);

/* Takes the message of a claimer. -EAGAIN; -ECONNRESET when he has gone without one. */
int pool_claim_receive(int fd, char ret_id[ID_SIZE], int *ret_log_fd);
/* Whether it is to be: an error says that the claimer has gone. */
int pool_claim_answer(int fd, bool yes);
