/* SPDX-License-Identifier: Apache-2.0 */
/* Jansson, with cleanup and with typed reads of optional members. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define _json_ _cleanup_(json_decrefp)

/* Parses one JSON document that is an object; duplicate keys are refused. `what` names it in the error. */
int json_parse_object(const char *text, size_t size, const char *what, json_t **ret, struct cor_error *err);

/* Reads and parses a file of at most max bytes. */
int json_read_file(int dir, const char *path, size_t max, json_t **ret, struct cor_error *err);
/* Replaces a file atomically by the document, indented. */
int json_write_file(int dir, const char *path, const json_t *document, mode_t mode, struct cor_error *err);
/* The same with file_write_new. */
int json_write_new(int dir, const char *path, const json_t *document, mode_t mode, struct cor_error *err);

/* Members: a missing or null one leaves *value as it is and is no error; one of the wrong type is -EINVAL. Strings are borrowed from the
 * document and hold no NUL. */
int json_get_string(const json_t *object, const char *key, const char **value);
int json_get_int(const json_t *object, const char *key, int64_t *value);
int json_get_bool(const json_t *object, const char *key, bool *value);
/* *value is borrowed. */
int json_get_array(const json_t *object, const char *key, json_t **value);
int json_get_object(const json_t *object, const char *key, json_t **value);
/* Appends the strings of an array member to *value. */
int json_get_strv(const json_t *object, const char *key, struct strv *value);

/* A new array of the strings; NULL where one is not UTF-8. */
json_t *json_from_strv(const struct strv *v);
