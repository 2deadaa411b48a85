/* SPDX-License-Identifier: Apache-2.0 */
/* One blob on its way from a registry into the store.
 *
 *   DATA/images/partial/HEX   what came so far. Mode 0600: a part, which only the holder of its flock writes. Mode 0400: all of it, with the right digest; never written again.
 *
 * A part outlives who fetched it and is continued by the next. What is complete gets a link in the folder of the pull (work/HEX), which nothing takes away. Layers are read
 * while they come in: fetch_source. All calls are for one thread, but for what a source does. */
#pragma once

#include "image/source.h"
#include "image/store.h"
#include "oci/hash.h"

#include <pthread.h>

struct fetch {
	const struct image_store *store;
	int work; /* borrowed */
	char digest[DIGEST_SIZE];
	uint64_t size;
	int out;            /* for writing */
	struct hash hash;   /* of what is there */
	uint64_t submitted; /* bytes whose way to the disk has begun */

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Below the mutex: */
	int part; /* open and locked while it is ours */
	uint64_t there;
	bool complete, failed;
};

/* work: the folder for complete blobs. */
void fetch_init(struct fetch *fetch, const struct image_store *store, int work, const char *digest,
		uint64_t size);
/* Lets go of the lock; the part stays. Nobody may read any more. */
void fetch_release(struct fetch *fetch);

enum fetch_begun {
	FETCH_HERE, /* it is complete: it was in the store, or another command has fetched it */
	FETCH_OURS, /* fetch->there bytes are there; the others are to be given to fetch_add */
	FETCH_BUSY, /* another command fetches it: try again later */
};
int fetch_begin(struct fetch *fetch, enum fetch_begun *ret, struct cor_error *err);

int fetch_add(struct fetch *fetch, const void *data, size_t size, struct cor_error *err);
/* Nothing more comes. COR_CORRUPT when it has not the size or the digest that it should have: the part is gone then. */
int fetch_end(struct fetch *fetch, struct cor_error *err);
/* The store has it: no part is needed any more. */
void fetch_published(const struct fetch *fetch);
/* Whoever reads it is told to end. */
void fetch_cancel(struct fetch *fetch);

/* Reads it from its beginning, as far as it has come, and waits for the rest. */
struct source fetch_source(struct fetch *fetch);
