/* SPDX-License-Identifier: Apache-2.0 */
/* What a person is told when a registry or the way to it fails. */
#pragma once

#include "base/error.h"
#include "registry/answer.h"

#include <curl/curl.h>
#include <stdbool.h>

#define FAILURE_BODY_MAX (16u << 10) /* of an answer that says what is wrong */

/* place: "host:port", with " through the proxy" where it was one that could not be connected to. detail: libcurl's words. config_dir: see struct cor_registry_options. */
int failure_of_network(CURLcode code, const char *place, const char *detail, const char *config_dir,
		       struct cor_error *err);
/* Whether the same request may succeed a little later. */
bool failure_may_pass(CURLcode code);

/* domain: what a person calls the registry. user: whom the registry knew us as, or NULL. body: of the answer. missing: what a 404 means ("there is no such image or tag"). */
int failure_of_answer(const struct answer *answer, const void *body, size_t size, const char *domain,
		      const char *user, const char *missing, struct cor_error *err);

/* What the body of an answer says (OCI distribution specification, "Error Codes", and what token servers write), as printable ASCII of at most 200 bytes; NULL where it says nothing.
 * The caller's. */
char *failure_message(const void *body, size_t size);
