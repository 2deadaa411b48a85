/* SPDX-License-Identifier: Apache-2.0 */
/* registries.json: {"registries": {DOMAIN: {"mirrors": [URL], "scheme", "ca", "cert", "key", "verify"}}}. It decides whom we trust, so it is read strictly: a member that is
 * not known, perhaps a misspelt one, is an error. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

#define HOST_MIRRORS_MAX 16

/* What a file says of one registry. */
struct host_config {
	struct strv mirrors;   /* URLs that mirror_parse takes */
	char *scheme;          /* "auto", "http" or "https"; NULL: not said */
	char *ca, *cert, *key; /* absolute paths, or NULL; cert and key only together */
	bool verify;
};
void host_config_release(struct host_config *config);
#define _host_config_ _cleanup_(host_config_release)

/* Checks the whole text, which is that of the file `path`. COR_CORRUPT, naming the file, the registry and the member. */
int host_config_parse(const char *text, size_t size, const char *path, json_t **ret, struct cor_error *err);
/* What a document that was checked says of a registry; false and *ret untouched where it says nothing. */
bool host_config_find(const json_t *document, const char *domain, struct host_config *ret);

struct mirror {
	char *domain; /* "mirror.example:5000" */
	char *base;   /* "mirror.example:5000/prefix" */
	bool https;
};
void mirror_release(struct mirror *mirror);
/* "https://host[:port][/prefix]" or the same with http, without user, query and fragment; -EINVAL. */
int mirror_parse(const char *url, struct mirror *ret);
