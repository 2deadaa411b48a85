/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are at which registry. Looked for in this order: CONFIG/auth.json (ours, mode 0600, in the format of Docker's config.json: auths, credsStore, credHelpers),
 * then ~/.docker/config.json, in each of them a credential helper (docker-credential-NAME, by its protocol of JSON over pipes) before the plain entry. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <jansson.h>

struct credentials {
	char *user, *password; /* both NULL: none are known */
	char *identity_token; /* instead of both: an OAuth2 refresh token, which Docker writes as user "<token>" */
};
void credentials_release(struct credentials *credentials); /* wipes them from memory */
#define _credentials_ _cleanup_(credentials_release)

/* domain: "docker.io", "host:port". config_dir may be NULL (see struct cor_registry_options). That none are known is no error, nor is a helper that Docker's file names and
 * that is not on the PATH. A broken file (COR_CORRUPT), one of ours that others may write (COR_PERMISSION), or a helper that fails (COR_UNAVAILABLE, COR_TIMEOUT) is. */
int credentials_find(const char *config_dir, const char *domain, struct credentials *ret,
		     struct cor_error *err);
/* COR_INVALID for what HTTP's Basic authentication cannot say: no user, no password, a colon in the user, control characters (RFC 7617, section 2). */
int credentials_check(const struct credentials *credentials, struct cor_error *err);
/* Into CONFIG/auth.json, or the helper that it names for the registry; never into what is Docker's. *ret_where, which may be NULL: the path, or "docker-credential-NAME".
 * COR_PERMISSION where others could write there. */
int credentials_store(const char *config_dir, const char *domain, const struct credentials *credentials,
		      char **ret_where, struct cor_error *err);
/* COR_NOT_FOUND, also for what only Docker's file has. */
int credentials_erase(const char *config_dir, const char *domain, struct cor_error *err);
/* A JSON array of {"Registry", "User", "Source"} in the order of the registries' names; the user of a token is "<token>". */
int credentials_list(const char *config_dir, json_t **ret, struct cor_error *err);
