/* SPDX-License-Identifier: Apache-2.0 */
/* What the command says on standard error: "coracle: …", one line each. */
#pragma once

#include "cli/text.h"
#include "coracle/error.h"

/* Fills err, which may be NULL, and returns -errnum. */
int report_fail(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* The same for a wrong command line: COR_INVALID, -EINVAL. */
int report_usage(struct cor_error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

void report_error(const struct cor_error *err);
void report_note(const char *fmt, ...) PRINTF_LIKE(1, 2);
