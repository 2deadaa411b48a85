/* SPDX-License-Identifier: Apache-2.0 */
/* What a reference stands for at a registry: its manifest, or an index and those of its manifests that are wanted. */
#pragma once

#include "image/store.h"
#include "oci/manifest.h"
#include "registry/registry.h"

/* A document as it came, checked against its digest. */
struct remote_document {
	char *media_type;
	char digest[DIGEST_SIZE];
	char *data;
	size_t size;
};

struct remote_image {
	struct remote_document document;
	struct manifest manifest;
};

struct remote {
	struct remote_document
		root; /* a manifest too, if there is no index: then the only image has the same */
	struct remote_image *images;
	size_t count;
	size_t chosen; /* the one for the platform, or `count` */
};

struct remote_wish {
	const struct reference *ref;
	const struct platform *platform;
	bool all_platforms;
};

/* Asks the registry for what the store does not have. COR_CORRUPT, COR_UNSUPPORTED (no image for the platform, not an image), and what registry_get_manifest says. */
int remote_find(const struct image_store *store, struct registry *registry, const struct remote_wish *wish,
		struct remote *ret, struct cor_error *err);
void remote_release(struct remote *remote);
#define _remote_ _cleanup_(remote_release)
