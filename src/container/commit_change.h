/* SPDX-License-Identifier: Apache-2.0 */
/* `commit --change`: a line of a Dockerfile, applied to the configuration of an image. */
#pragma once

#include "base/error.h"

#include <jansson.h>

/* config is the member "config" of image-spec's config.md. COR_INVALID for what is no such line, or one that says nothing of a configuration. */
int commit_change_apply(json_t *config, const char *line, struct cor_error *err);
