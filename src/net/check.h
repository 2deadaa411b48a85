/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with our networks on this host. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

/* what: "network blue"; repairable: net_repair (net/use.h) does it. */
typedef void net_problem_fn(const char *what, const char *problem, bool repairable, void *context);
/* Changes nothing. */
int net_look(int run_dir, net_problem_fn *tell, void *context, struct cor_error *err);
