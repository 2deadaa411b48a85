/* SPDX-License-Identifier: Apache-2.0 */
/* The words of libnftables-json(5) that our rules are made of. What takes a json_t takes the caller's reference. */
#pragma once

#include <jansson.h>

struct fw_table {
	json_t *commands; /* an array that is appended to */
	const char *family, *name;
};

void fw_add_table(const struct fw_table *t);
/* It is gone, whether it was there or not. */
void fw_clear_table(const struct fw_table *t);
/* A set that rules add to. */
void fw_set(const struct fw_table *t, const char *set, const char *type, int size);
void fw_chain(const struct fw_table *t, const char *chain);
void fw_base_chain(const struct fw_table *t, const char *chain, const char *type, const char *hook,
		   int priority);
void fw_flush(const struct fw_table *t, const char *chain);
void fw_delete_chain(const struct fw_table *t, const char *chain);
/* expressions: an array. */
void fw_rule(const struct fw_table *t, const char *chain, json_t *expressions);
/* An element of a verdict map that jumps to a chain. verb: "add", "delete". */
void fw_element(const struct fw_table *t, const char *verb, const char *map, const char *key,
		const char *chain);

/* A named map of values; key: an array of types. */
void fw_map(const struct fw_table *t, const char *map, json_t *key, const char *value);
/* The same without values. */
void fw_key_set(const struct fw_table *t, const char *set, json_t *key);
/* kind: "map", "set". */
void fw_flush_elements(const struct fw_table *t, const char *kind, const char *name);
/* elements: an array of [key, value], or of keys for a set. */
void fw_elements(const struct fw_table *t, const char *name, json_t *elements);

json_t *fw_match(const char *op, json_t *left, json_t *right);
json_t *fw_payload(const char *op, const char *protocol, const char *field, json_t *right);
/* The transport protocol's name or a set of them. */
json_t *fw_l4proto(const char *op, json_t *right);
/* Bits of the transport header, against a number of any length as "0x…". */
json_t *fw_raw(const char *op, int offset, int length, const char *right);
/* Matches what comes faster than that, of all that gets here. */
json_t *fw_faster(int per_second, int burst);
json_t *fw_accept(void);
json_t *fw_drop(void);
