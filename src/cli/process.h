/* SPDX-License-Identifier: Apache-2.0 */
/* What run, create and exec share: the options of a process. */
#pragma once

#include "cli/arguments.h"
#include "coracle/container.h"

extern const struct option_group process_group;

/* The variables of --env-file and --env, in this order, "KEY=VALUE" each. A bare key takes the value it has here, and is left out if it has none. */
int process_environment(const struct arguments *args, struct words *ret, struct cor_error *err);

/* Fills options from the arguments; command is the operands that it runs, NULL-terminated, may be empty. env is borrowed. */
void process_fill(struct cor_process_options *options, const struct arguments *args, const struct words *env,
		  char *const *command);
