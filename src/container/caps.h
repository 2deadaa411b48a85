/* SPDX-License-Identifier: Apache-2.0 */
/* Which capabilities a container's processes may have: Docker's default set, changed by options. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CAPS_NONE UINT64_C(0)

/* A set of capabilities: bit n is the kernel's number n. add and drop are NULL-terminated lists or NULL: names with or without "CAP_", any
 * case, or "ALL"; adds win over drops. COR_INVALID. */
int caps_choose(const char *const *add, const char *const *drop, bool privileged, uint64_t *ret,
		struct cor_error *err);

/* True if the set has the capability of that name ("CAP_SYS_ADMIN"). */
bool caps_has(uint64_t set, const char *name);

/* A JSON array of names. */
json_t *caps_to_json(uint64_t set);
