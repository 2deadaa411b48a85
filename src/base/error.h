/* SPDX-License-Identifier: Apache-2.0 */
/* Building and extending a cor_error on its way up. Each layer adds its context once. */
#pragma once

#include "coracle/error.h"
#include "base/macro.h"

#include <stdarg.h>

/* Fills err (may be NULL) and returns -errnum, or -EIO if errnum is 0; errnum may be given with either sign.
 * The text does not name the errno: say it in words, or use cor_fail_errno. */
int cor_fail(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The same, with a status that follows from errnum (ENOENT: not found, EACCES: permission, …) and
 * ": strerror" at the end of the text. */
int cor_fail_errno(struct cor_error *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the text that is already there. Returns ret, so that a caller can write
 * `return cor_context(err, r, "pull '%s'", name);`. */
int cor_context(struct cor_error *err, int ret, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The status that an errno (either sign) stands for. */
enum cor_status cor_status_from_errno(int errnum);
