/* SPDX-License-Identifier: Apache-2.0 */
/* What people call a registry, as credentials are stored for it. */
#pragma once

#include "base/error.h"

/* "" and "index.docker.io" are "docker.io", "https://host/v2/" is "host". COR_INVALID, with the reason. *ret is the caller's. */
int login_domain(const char *text, char **ret, struct cor_error *err);
