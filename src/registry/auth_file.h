/* SPDX-License-Identifier: Apache-2.0 */
/* Documents in the format of Docker's config.json, as far as they speak of credentials: {"auths": {KEY: {"auth": base64 of "user:password", "identitytoken"}},
 * "credsStore": HELPER, "credHelpers": {KEY: HELPER}}. What else they hold is kept and not looked at. KEY is a registry in one of the forms that docker and podman write:
 * "host:port", "https://host:port", "https://host:port/v1/"; Docker Hub's is "https://index.docker.io/v1/". */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "registry/credentials.h"

#include <jansson.h>
#include <stdbool.h>

/* CONFIG/auth.json, and $DOCKER_CONFIG/config.json or ~/.docker/config.json; NULL where there is no home. The caller's. */
char *auth_file_own(const char *config_dir);
char *auth_file_docker(void);

/* strict: as for config_file_read. *ret is NULL where there is no file. */
int auth_file_read(const char *path, bool strict, json_t **ret, struct cor_error *err);
/* Checks the text of a file, which `path` names in errors. */
int auth_file_parse(const char *text, size_t size, const char *path, json_t **ret, struct cor_error *err);
/* Atomically, with mode 0600. */
int auth_file_write(const char *path, const json_t *document, struct cor_error *err);
/* Wipes all strings of the document and lets go of it; nobody else may hold it. */
void auth_file_free(json_t *document);
DEFINE_CLEANUP(json_t *, auth_file_free)
#define _auth_file_ _cleanup_(auth_file_freep)

/* The registry that a key means ("docker.io", "host:port"), or NULL for a key that means something else, such as one repository. The caller's. */
char *auth_key_domain(const char *key);
/* The key that docker would use for the registry. The caller's. */
char *auth_key(const char *domain);

/* The plain entry of a registry: COR_OK also where there is none. */
int auth_file_find(const json_t *document, const char *path, const char *domain, struct credentials *ret,
		   struct cor_error *err);
/* Replaces all entries of the registry; credentials NULL: by none; without user and token: by an empty one, which says that a helper has it. True if there was one. */
bool auth_file_set(json_t *document, const char *domain, const struct credentials *credentials);
/* The helper of a registry ("osxkeychain"), or NULL. Borrowed. */
const char *auth_file_helper(const json_t *document, const char *domain);
