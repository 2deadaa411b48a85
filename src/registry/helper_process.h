/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a short program of the user's with bounded output and time. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#define HELPER_OUTPUT_MAX     65536
#define HELPER_TIMEOUT_MS     120000 /* it may ask the user for a passphrase */
#define HELPER_COMPLAINT_SIZE 160

struct helper_result {
	char *output; /* of its standard output, with a NUL behind its end */
	size_t size;
	char complaint[HELPER_COMPLAINT_SIZE]; /* the first line of its standard error, printable, or "" */
	int status;                            /* of its exit; 128 + signal where one ended it */
};
void helper_result_release(struct helper_result *result); /* wipes it */
#define _helper_result_ _cleanup_(helper_result_release)

/* Looks for program on the PATH, gives it the one argument `verb` and `input` as its standard input, and waits for its end. Blocks. COR_UNAVAILABLE: it is not there, or said more than
 * HELPER_OUTPUT_MAX; COR_TIMEOUT: it was killed. That it failed is for the caller to see in status. */
int helper_run(const char *program, const char *verb, const char *input, int timeout_ms,
	       struct helper_result *ret, struct cor_error *err);

/* The first line of size bytes, cut and with '?' for what is not printable. */
void helper_first_line(const char *text, size_t size, char out[HELPER_COMPLAINT_SIZE]);
