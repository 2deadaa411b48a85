/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of templates share. */
#pragma once

#include "container/template.h"

#include <dirent.h>
#include <jansson.h>

#define TEMPLATE_FORMAT 1
/* What a folder of one has, for those who list and remove. */
#define TEMPLATE_PARTS                                                                                       \
	{                                                                                                    \
		"memory", "state", "template.json"                                                           \
	}

/* ---- template.c ---- */

void template_name(const char *shape, char id[TEMPLATE_ID_SIZE]);
/* DATA/templates, made where it is missing; COR_PERMISSION where others could write. */
int template_open_folder(const struct roots *roots, struct cor_error *err);
/* For going through an open folder; NULL when that is not possible. */
DIR *template_list(int folder);

/* What template.json says. Strings are borrowed from the document. */
struct template_facts {
	json_t *document;
	const char *shape, *memory_digest, *state_digest;
	int64_t memory_size;
};
int template_read_facts(int dir, struct template_facts *ret);
void template_facts_release(struct template_facts *facts);
/* All of it, from its folder; its digests are right, but for the memory's. */
int template_read(int dir, struct template *ret);

/* ---- template_memory.c ---- */

/* Copies whole pages that are not zero to the same places of another file. */
int template_copy_pages(int from, int to);
/* Of these pages and their places. */
int template_digest_pages(int fd, char out[DIGEST_SIZE]);
