/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables as options and files give them. A bare key takes the value it has here, and is left out if it has none. All add
 * "KEY=VALUE" to words, or return -errno; where names the source in errors. */
#pragma once

#include "cli/text.h"
#include "coracle/error.h"

/* One "KEY=VALUE" or "KEY". */
int variables_add(const char *where, const char *text, struct words *words, struct cor_error *err);

/* The text of a file: one of these a line, "#" begins a line of comment, blanks before a name do not count. */
int variables_parse(const char *where, const char *text, struct words *words, struct cor_error *err);

/* The same, from a file of at most 1 MiB, which may be a pipe. */
int variables_read(const char *path, struct words *words, struct cor_error *err);
