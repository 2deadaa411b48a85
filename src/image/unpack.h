/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking an image in a thread of its own, while its layers still come in. Of several commands that unpack the same layers one does it, and the others wait for it. */
#pragma once

#include "image/rootfs.h"

struct unpack_job {
	const struct image_store *store;
	const struct manifest *manifest;
	const struct image_config *config;
	/* Called in the thread. Whoever cancels sees to it that its sources end. */
	layer_open_fn *open_layer;
	void *userdata;
	int dir; /* where "disk" is made, unless the disk is there already */
};
#define UNPACK_FILE "disk"

struct unpack;

/* Everything in job is borrowed until unpack_free. */
int unpack_start(const struct unpack_job *job, struct unpack **ret, struct cor_error *err);
/* Ends it and lets others begin: they look for what was published before. */
void unpack_free(struct unpack *unpack);
DEFINE_CLEANUP(struct unpack *, unpack_free)

/* Waits for the end at most so long. True if it has come. */
bool unpack_wait(struct unpack *unpack, int timeout_ms);
/* After the end. */
int unpack_result(const struct unpack *unpack, struct cor_error *err);
/* How many layers have been unpacked. */
size_t unpack_layers(struct unpack *unpack);
/* How many have been opened, of which the last two may not have been read to their ends. */
size_t unpack_opened(struct unpack *unpack);
