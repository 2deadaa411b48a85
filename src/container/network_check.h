/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with networks, as cor_system_check tells it. */
#pragma once

#include "base/json.h"
#include "container/roots.h"

/* Appends to list: objects of What, Problem, Repaired. */
int network_check(const struct roots *roots, bool repair, json_t *list, struct cor_error *err);
