/* SPDX-License-Identifier: Apache-2.0 */
/* Columns for people: as wide as their widest cell, three blanks apart. */
#pragma once

#include "cli/text.h"

#include <stdint.h>
#include <stdio.h>

struct table {
	size_t columns;
	struct words cells; /* row by row */
};

/* Adds table->columns cells; control characters in them become '?'. The table must be zero but for columns. */
void table_row(struct table *table, const char *const *cells);
void table_print(const struct table *table, FILE *out);
void table_release(struct table *table);
#define _table_ _cleanup_(table_release)

/* "2 hours ago", "never" for 0. The caller's. */
char *table_ago(int64_t then_ns, int64_t now_ns);
/* "1.5 MB", decimal units as docker shows images. */
char *table_size(uint64_t bytes);
