/* SPDX-License-Identifier: Apache-2.0 */
/* Data on standard output, as --format and --quiet ask. */
#pragma once

#include "cli/arguments.h"
#include "coracle/context.h"

#include <jansson.h>

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML };

/* "--format table|json|yaml" and "--quiet" of every list; table is what comes without --format. */
extern const struct option_group output_list_group;
/* "--format table|json|yaml" alone. */
extern const struct option_group output_format_group;
/* "--format json|yaml" of every inspect. */
extern const struct option_group output_inspect_group;

enum output_format output_format(const struct arguments *args, enum output_format otherwise);

/* Prints a document as JSON (indented, in the order it was built) or YAML. */
void output_document(enum output_format format, const json_t *document);

/* Parses what libcoracle returned and frees it. */
int output_parse(char *text, json_t **ret, struct cor_error *err);

/* An array of them. */
json_t *output_strings(const struct cor_strings *strings);
/* RFC 3339, UTC, nanoseconds; JSON null for 0. */
json_t *output_time(int64_t since_epoch_ns);

void json_freep(json_t **value);
#define _json_ _cleanup_(json_freep)
