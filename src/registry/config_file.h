/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a file that decides about passwords or about whom to trust. */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_FILE_SIZE_MAX (1u << 20)

/* strict: a file that others than its owner may write, or that neither we nor root own, is refused (COR_PERMISSION). *ret is NULL where there is no file; else it has a NUL behind its
 * *ret_size bytes, and was read into one piece of memory, which the caller may wipe. */
int config_file_read(const char *path, bool strict, char **ret, size_t *ret_size, struct cor_error *err);
