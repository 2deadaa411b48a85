/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values written as YAML 1.2 block style, which YAML 1.1 readers read alike. */
#pragma once

#include <jansson.h>
#include <stdio.h>

void yaml_print(const json_t *value, FILE *out);
