/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files that read config.json share. */
#pragma once

#include "oci/runtime_spec.h"

/* "MEMBER: WANTED is needed"; returns -EINVAL. */
int spec_invalid(struct cor_error *err, const char *member, const char *wanted);
/* A member that fits 32 bits; a missing one leaves *value. 0 or -EINVAL. */
int spec_uint32(const json_t *object, const char *key, uint32_t *value);
int spec_process(const json_t *object, struct oci_process **ret, struct cor_error *err);
