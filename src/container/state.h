/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a container: state.json, which its shim replaces. */
#pragma once

#include "container/roots.h"
#include "coracle/container.h"

#include <jansson.h>
#include <stdint.h>

struct container_state {
	enum cor_container_status status; /* as last written; container_status tells the truth */
	struct cor_exit exit;
	int64_t started_ns, finished_ns;
	bool saved;  /* the machine began from a saved one */
	bool pooled; /* it waited in the pool */
};

int container_state_read(const struct roots *roots, const char *id, struct container_state *ret,
			 struct cor_error *err);
int container_state_write(const struct roots *roots, const char *id, const struct container_state *state,
			  struct cor_error *err);
/* Public for its fuzz target. 0 or -errno. */
int container_state_parse(const json_t *document, struct container_state *state);

/* The true state: when state.json says running and nobody holds the lock, the shim has died; then records exit 137 and frees the run folder. */
int container_status(const struct roots *roots, const char *id, struct container_state *ret,
		     struct cor_error *err);
