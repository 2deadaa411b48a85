/* SPDX-License-Identifier: Apache-2.0 */
/* Where libcoracle keeps things, and the handle that every other call takes. */
#pragma once

#include "coracle/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cor_context;

struct cor_options {
	/* Persistent data. NULL: $CORACLE_ROOT, else /var/lib/coracle for root, $XDG_DATA_HOME/coracle (~/.local/share/coracle) for others. */
	const char *data_root;
	/* Volatile state, gone with a reboot. NULL: $CORACLE_RUNTIME_DIR, else /run/coracle or $XDG_RUNTIME_DIR/coracle
	 * (for a data root that is not the default: a folder below it that is named after the data root). */
	const char *run_root;
};

/* Opens the two roots, makes and migrates them as needed. A root of a newer format is COR_UNSUPPORTED, one that cannot be written
 * COR_PERMISSION. options may be NULL. Not thread-safe: one context per thread. */
COR_EXPORT int cor_open(const struct cor_options *options, struct cor_context **ret, struct cor_error *err);
COR_EXPORT void cor_close(struct cor_context *ctx);

COR_EXPORT const char *cor_version(void);

/* Frees a string that a call returned. */
COR_EXPORT void cor_free(void *p);

/* A list of strings that a call returned. */
struct cor_strings {
	char **items;
	size_t count;
};
COR_EXPORT void cor_strings_release(struct cor_strings *strings);

/* Facts about the host and this installation, as a JSON object: version, data root, kernel, init, VMM, accelerator and why it was taken, cpus,
 * memory, counts of images and containers. Measures the accelerator if it has not been measured since boot. */
COR_EXPORT int cor_system_info(struct cor_context *ctx, char **ret_json, struct cor_error *err);

/* How many machines wait, restored and warm, for a container that one of them fits: those of `run` have cpus and memory as in cor_container_options (0: the usual). What is too
 * many, or of another shape, ends before this returns; what is missing is made behind its back. 0 ends all. */
COR_EXPORT int cor_pool_set(struct cor_context *ctx, unsigned size, double cpus, uint64_t memory,
			    struct cor_error *err);
/* As JSON: how many are wanted, ready and on their way, and what their memory costs. */
COR_EXPORT int cor_pool_status(struct cor_context *ctx, char **ret_json, struct cor_error *err);

#ifdef __cplusplus
}
#endif
