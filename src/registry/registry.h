/* SPDX-License-Identifier: Apache-2.0 */
/* A client of one repository of a registry (OCI distribution specification 1.1). Everything runs in the caller's thread, over one curl multi handle, so that
 * connections are used again. What comes is hostile: sizes are capped, redirects are counted, credentials go to the host that they belong to and to no other.
 * It does not hash blobs: whoever asked checks what came. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "coracle/registry.h"
#include "oci/digest.h"
#include "oci/reference.h"

#include <stdbool.h>
#include <stdint.h>

struct registry;

enum registry_access { REGISTRY_PULL, REGISTRY_PUSH };

/* Opens no connection yet. options may be NULL. For REGISTRY_PULL mirrors are tried first, in their order, and then the registry itself; what a mirror answers
 * wrongly or not at all is asked of the next. COR_INVALID, COR_UNSUPPORTED (no libcurl). */
int registry_open(const struct reference *ref, enum registry_access access,
		  const struct cor_registry_options *options, struct registry **ret, struct cor_error *err);
void registry_free(
	struct registry *registry); /* ends what still runs; its callbacks are not called any more */
DEFINE_CLEANUP(struct registry *, registry_free)

/* ---- manifests: these block, at most until their deadline; callbacks of blobs that are under way come meanwhile ---- */

struct registry_manifest {
	char *data; /* with a NUL behind its end */
	size_t size;
	char *media_type; /* as the answer's Content-Type said, without parameters; of the kinds of manifests and indexes that we know */
};
void registry_manifest_release(struct registry_manifest *manifest);

/* what: a tag, or a digest, which then is checked. One request, if no authentication is needed. COR_NOT_FOUND, COR_PERMISSION, COR_CORRUPT (larger
 * than MANIFEST_SIZE_MAX, a type that was not asked for, another digest), COR_UNAVAILABLE, COR_TIMEOUT. */
int registry_get_manifest(struct registry *registry, const char *what, struct registry_manifest *ret,
			  struct cor_error *err);
int registry_put_manifest(struct registry *registry, const char *what, const char *media_type,
			  const void *data, size_t size, struct cor_error *err);

/* ---- blobs: begun, and then run together ---- */

/* Fetches a blob, or what is missing of it. A line that breaks is taken up again from where it broke, some times. Exactly size - offset bytes reach on_data. */
struct registry_download {
	char digest[DIGEST_SIZE];
	uint64_t size;
	uint64_t offset; /* bytes that the caller has */
	/* Returns 0, or fails the download with *err. */
	int (*on_data)(void *userdata, const void *data, size_t size, struct cor_error *err);
	void (*on_state)(void *userdata, enum cor_transfer_state state); /* RUNNING, RETRYING */
	/* The last call, also when it failed; status is COR_OK or the reason. New downloads may be begun from here. */
	void (*on_end)(void *userdata, const struct cor_error *status);
	void *userdata;
};
/* Copies *download. Begins when fewer than options.concurrent others run. */
void registry_download(struct registry *registry, const struct registry_download *download);

/* Sends a blob, unless it is there: a look (HEAD), a mount from another repository of the same registry if one is known, or an upload in pieces (POST, PATCH..., PUT), which is
 * taken up again from where the registry says. */
struct registry_upload {
	char digest[DIGEST_SIZE];
	uint64_t size;
	int fd; /* of the blob's content; borrowed until on_end */
	const char *
		from; /* a repository ("library/busybox") of this registry that may have it, or NULL; borrowed until on_end */
	void (*on_progress)(void *userdata, uint64_t done);
	void (*on_state)(void *userdata,
			 enum cor_transfer_state state); /* RUNNING, RETRYING, EXISTS, MOUNTED */
	void (*on_end)(void *userdata, const struct cor_error *status);
	void *userdata;
};
void registry_upload(struct registry *registry, const struct registry_upload *upload);

/* Works on all that was begun until something happened, at most timeout_ms. *ret_running is how many have not ended. Callbacks come from here, and from the calls that block. */
int registry_run(struct registry *registry, int timeout_ms, size_t *ret_running, struct cor_error *err);

/* ---- without a repository ---- */

/* GET /v2/ with these credentials. 0, COR_PERMISSION, ... */
int registry_check_login(const char *domain, const char *user, const char *password,
			 const struct cor_registry_options *options, struct cor_error *err);
