/* SPDX-License-Identifier: Apache-2.0 */
/* What every inspect does: everything that is known, always as an array, in the order of the operands. What is not there is reported and left out. */
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"

typedef int inspect_fn(struct cor_context *ctx, const char *ref, char **ret_json, struct cor_error *err);

int inspect_all(const struct arguments *args, inspect_fn *inspect, int *ret_status, struct cor_error *err);
