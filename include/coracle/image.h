/* SPDX-License-Identifier: Apache-2.0 */
/* Local images: an OCI content store, and ext4 images of their unpacked layers. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cor_image_info {
	char *id;                 /* "sha256:…" of the configuration */
	char *digest;             /* "sha256:…" of the manifest */
	struct cor_strings names; /* normalised references: "docker.io/library/busybox:latest" */
	char *architecture;       /* as OCI writes it: "amd64" */
	char *os;
	int64_t created_ns; /* since the epoch; 0: not said */
	uint64_t size;      /* bytes of configuration and layers in the store */
};

struct cor_image_list {
	struct cor_image_info *items;
	size_t count;
};
COR_EXPORT void cor_image_list_release(struct cor_image_list *list);

struct cor_image_load_options {
	const char *name;     /* the name it gets instead of the ones the archive has; NULL: those */
	const char *platform; /* "os/arch[/variant]"; NULL: the host's */
};

/* Reads an OCI layout or a docker-archive (tar, may be gzip or zstd as a whole) from fd, which need not be seekable. *ret_names are the references made,
 * or "sha256:…" where the archive names nothing. COR_CORRUPT for what is broken, COR_UNSUPPORTED for another platform. Nothing half-done stays. */
COR_EXPORT int cor_image_load(struct cor_context *ctx, int fd, const struct cor_image_load_options *options,
			      struct cor_strings *ret_names, struct cor_error *err);

COR_EXPORT int cor_image_list(struct cor_context *ctx, struct cor_image_list *ret, struct cor_error *err);

/* ref: a reference ("busybox", "debian:12", "name@sha256:…") or an id or an unambiguous prefix of one (at least 4 digits).
 * A JSON object in the shape of `docker image inspect`. COR_NOT_FOUND, COR_INVALID. */
COR_EXPORT int cor_image_inspect(struct cor_context *ctx, const char *ref, char **ret_json,
				 struct cor_error *err);

COR_EXPORT int cor_image_tag(struct cor_context *ctx, const char *ref, const char *new_name,
			     struct cor_error *err);

/* Removes a name; with its last name the image goes. An id removes all its names. COR_BUSY when a container uses the image, unless force
 * (which then only removes the names). *ret_removed tells what went ("untagged: …", "deleted: sha256:…"). */
COR_EXPORT int cor_image_remove(struct cor_context *ctx, const char *ref, bool force,
				struct cor_strings *ret_removed, struct cor_error *err);

#ifdef __cplusplus
}
#endif
