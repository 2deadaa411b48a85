/* SPDX-License-Identifier: Apache-2.0 */
/* Which containers use an image. */
#pragma once

#include "image/image.h"

/* An image_used_fn (image/image.h); userdata is the cor_context. */
bool used_by_container(void *userdata, const char *image, char **ret_name);
