/* SPDX-License-Identifier: Apache-2.0 */
/* A new image out of one that is here and a layer on top of it. */
#pragma once

#include "image/image.h"

struct image_commit {
	const char *base; /* id of the image: "sha256:…" */
	const char *name; /* NULL: the new one has none */
	const char *author, *message;
	/* Changes the configuration, an object of image-spec, config.md. */
	int (*change)(void *userdata, json_t *config, struct cor_error *err);
	/* Writes the layer, an uncompressed tar archive, to fd. */
	int (*write_layer)(void *userdata, int fd, struct cor_error *err);
	void *userdata;
};

/* Writes the layer, unpacks the image, and only then makes it part of the store: a failure at any point leaves that as it was. *ret_id ("sha256:…") is the caller's. */
int image_commit(struct image_store *store, const struct image_commit *commit, char **ret_id,
		 struct cor_error *err);
