/* SPDX-License-Identifier: Apache-2.0 */
/* --help, made from the tables. */
#pragma once

#include "cli/command.h"

#include <stdio.h>

/* path: how the command is called, "coracle image ls". */
void help_print(const char *path, const struct command *command, FILE *out);

/* "-e, --env KEY[=VALUE]" as help and man pages show an option. The caller's. */
char *help_option(const struct option *option);
