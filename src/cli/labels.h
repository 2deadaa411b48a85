/* SPDX-License-Identifier: Apache-2.0 */
/* Labels as libcoracle gives them: "KEY=VALUE" or "KEY". */
#pragma once

#include "coracle/context.h"

#include <jansson.h>
#include <stdbool.h>

/* "KEY" is there with any value, "KEY=VALUE" as it stands. */
bool labels_have(const struct cor_strings *labels, const char *wanted);
/* {"KEY": "VALUE"} */
json_t *labels_json(const struct cor_strings *labels);
