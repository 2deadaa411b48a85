/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's credential helpers: programs docker-credential-NAME on the PATH that keep passwords, in a keychain for instance. The verb is their argument, the rest goes over their
 * standard input and output. They are the user's own programs and see the user's environment; their output is bounded, and so is their time. */
#pragma once

#include "base/error.h"
#include "registry/credentials.h"

#include <jansson.h>
#include <stdbool.h>

#define CREDENTIAL_HELPER_TIMEOUT_MS 120000 /* one may ask the user for a passphrase */

/* True for names of letters, digits, '.', '_' and '-' that begin with a letter or a digit: a path can not be written so. */
bool credential_helper_valid(const char *name);

/* server is a key as auth_key makes it. COR_UNAVAILABLE when the helper is not there or fails, COR_TIMEOUT; the error shows what the helper said unless that may hold a secret. */
/* That it has none is no error and leaves *ret as it is. */
int credential_helper_get(const char *name, const char *server, struct credentials *ret,
			  struct cor_error *err);
int credential_helper_store(const char *name, const char *server, const struct credentials *credentials,
			    struct cor_error *err);
int credential_helper_erase(const char *name, const char *server, struct cor_error *err);
/* A JSON object {KEY: USER}. */
int credential_helper_list(const char *name, json_t **ret, struct cor_error *err);
