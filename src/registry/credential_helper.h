/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's credential helpers: programs docker-credential-NAME on the PATH that keep passwords, in a keychain for instance. The verb is their argument, the rest goes over their
 * standard input and output. They are the user's own programs and see the user's environment and terminal; their output is bounded, and so is their time.
 *
 * Errors: COR_UNAVAILABLE when the helper is not there or fails, COR_TIMEOUT, COR_CORRUPT for an answer that is none. They show what the helper said, unless that may hold a secret. */
#pragma once

#include "base/error.h"
#include "registry/credentials.h"

#include <jansson.h>
#include <stdbool.h>

/* True for letters, digits, '.', '_' and '-' with a letter or a digit first, at most 64: no path can be written so. The calls below want such a name. */
bool credential_helper_valid(const char *name);

/* server: a key as auth_key makes it. That the helper has nothing for it is no error and leaves *ret as it is. */
int credential_helper_get(const char *name, const char *server, struct credentials *ret,
			  struct cor_error *err);
int credential_helper_store(const char *name, const char *server, const struct credentials *credentials,
			    struct cor_error *err);
int credential_helper_erase(const char *name, const char *server, struct cor_error *err);
/* A JSON object {KEY: USER}. */
int credential_helper_list(const char *name, json_t **ret, struct cor_error *err);

/* The answer to `get`, parsed; for the fuzz target. */
int credential_helper_answer(const char *name, const char *text, size_t size, struct credentials *ret,
			     struct cor_error *err);
