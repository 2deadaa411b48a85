/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images as people write them: "busybox", "debian:12", "ghcr.io/a/b@sha256:…". The grammar and the defaults are those that Docker
 * made common: docker.io where no registry is named, library/ for a single word there, the tag latest where there is none. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>

struct reference {
	char *domain; /* "docker.io", "localhost:5000" */
	char *path;   /* "library/busybox" */
	char *tag;    /* "latest"; NULL where only a digest was given */
	char *digest; /* "sha256:…" or NULL */
};

/* COR_INVALID, with the reason. *ret is released by the caller. */
int reference_parse(const char *text, struct reference *ret, struct cor_error *err);
void reference_release(struct reference *ref);

/* True for what may stand before the first slash: "host.example", "localhost:5000", "[::1]:5000"; no such text has a slash or "..". */
bool reference_domain_valid(const char *domain);

/* "docker.io/library/busybox:latest", without the digest where there is a tag. The caller's. */
char *reference_name(const struct reference *ref);
/* "docker.io/library/busybox". The caller's. */
char *reference_repository(const struct reference *ref);
/* The name as people write it, e.g. "busybox:latest": reference_parse gives the same reference for it. normalised is what reference_name made. */
char *reference_familiar(const char *normalised);

#define _reference_ _cleanup_(reference_release)
