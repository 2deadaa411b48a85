/* SPDX-License-Identifier: Apache-2.0 */
/* How many containers began in which way since the host's boot, in RUN/starts.json: a saved machine that is always missed would be seen nowhere else. */
#pragma once

#include "container/roots.h"

#include <jansson.h>

/* One more. how: "restored", "ready" (of the pool) or "booted"; why only of the last: one of few constant sentences. A count that cannot be kept
 * is not, nor is one while another is being kept. */
void starts_count(const struct roots *roots, const char *how, const char *why);
/* {"restored": N, "booted": {WHY: N, …}, …}; never NULL, the caller's. */
json_t *starts_read(const struct roots *roots);
