/* SPDX-License-Identifier: Apache-2.0 */
/* The document that `inspect` shows. */
#pragma once

#include "base/json.h"
#include "container/record.h"
#include "container/state.h"

/* In the shape of `docker inspect`; the caller's. */
json_t *inspect_document(const struct roots *roots, const struct container_record *record,
			 const struct container_state *state, const json_t *config);

/* What its shim wrote of its networks while it runs (shim/network.c), by name; an empty object otherwise. The caller's. */
json_t *inspect_networks(const struct roots *roots, const struct container_record *record,
			 const struct container_state *state);

/* {"KEY": "VALUE"} of KEY=VALUE, as everything that has labels shows them. The caller's. */
json_t *inspect_labels(const struct strv *labels);
