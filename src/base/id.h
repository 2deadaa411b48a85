/* SPDX-License-Identifier: Apache-2.0 */
/* Random identifiers. */
#pragma once

#include <stdbool.h>

#define ID_SIZE       65 /* 64 hexadecimal digits and a NUL */
#define ID_SHORT_SIZE 13 /* the 12 that people see */

/* A fresh container id: 256 random bits. 0 or -errno. */
int id_generate(char out[ID_SIZE]);

/* True for exactly 64 lower-case hexadecimal digits. */
bool id_valid(const char *id);
