/* SPDX-License-Identifier: Apache-2.0 */
/* All blobs of a pull: some at a time come from the registry, some are there, and some another command fetches. */
#pragma once

#include "image/fetch.h"
#include "registry/registry.h"

struct downloads;

struct download {
	struct downloads *all;
	struct fetch fetch;
	enum {
		DOWNLOAD_QUEUED,
		DOWNLOAD_ELSEWHERE, /* another command has its lock */
		DOWNLOAD_RUNNING,
		DOWNLOAD_COMPLETE,
	} step;
	enum cor_transfer_state state;
	bool to_unpack; /* for who unpacks it to say: it is not done when it is complete */
};

struct downloads {
	const struct image_store *store;
	int work;
	struct registry *registry;
	const struct cor_registry_options *options;
	struct download **items;
	size_t count, complete, running;
	size_t first;       /* all before it have been begun */
	uint64_t looked_ns; /* when those that are elsewhere were last tried */
	uint64_t reported_ns;
	bool changed; /* since the last report */
	bool failed;
	struct cor_error failure;
};

/* All borrowed until downloads_release; work is the folder for complete blobs. */
void downloads_init(struct downloads *downloads, const struct image_store *store, int work,
		    struct registry *registry, const struct cor_registry_options *options);
/* Ends what still runs; parts stay. Nobody may read any more. */
void downloads_release(struct downloads *downloads);

/* Each digest once. COR_CORRUPT where two sizes are said of one digest. */
int downloads_add(struct downloads *downloads, const char *digest, uint64_t size, struct cor_error *err);
struct download *downloads_find(const struct downloads *downloads, const char *digest);

/* Works for at most timeout_ms. Fails with what one of them failed with, or COR_CANCELLED. Done when all are complete. */
int downloads_run(struct downloads *downloads, int timeout_ms, struct cor_error *err);
bool downloads_done(const struct downloads *downloads);
/* Calls the progress function if it is time to. COR_CANCELLED. */
int downloads_report(struct downloads *downloads, bool now, struct cor_error *err);
/* Whoever reads them is told to end. */
void downloads_cancel(struct downloads *downloads);
