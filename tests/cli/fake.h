/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the fake library share. */
#pragma once

#include "coracle/coracle.h"
#include "coracle/registry.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Fills err, which may be NULL, and returns -errnum. */
int fake_fail(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "call: …" on standard error, with FAKE_CALLS. */
void fake_call(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Fails for what is not here. kind: "image", "container". */
int fake_lookup(const char *kind, const char *ref, struct cor_error *err);

void fake_add(struct cor_strings *strings, const char *text);

/* An image that is not here before it was pulled. */
bool fake_absent(const char *ref);
/* Something was pulled. */
bool fake_pulled(void);
