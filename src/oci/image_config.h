/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image (image-spec, config.md): what it runs on, which layers it has, what it starts. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "oci/platform.h"

#include <jansson.h>
#include <stdint.h>

#define IMAGE_CONFIG_SIZE_MAX (8u << 20) /* of the document in bytes */

struct image_config {
	struct platform platform;
	struct strv diff_ids; /* valid digests of the uncompressed layers, lowest first */
	int64_t created_ns;   /* since the epoch; 0: not said */
};

/* Also checks the types of all members below "config" that a container takes its settings from, so that later readers need not. COR_CORRUPT. */
int image_config_parse(const json_t *document, struct image_config *ret, struct cor_error *err);
void image_config_release(struct image_config *config);

#define _image_config_ _cleanup_(image_config_release)
