/* SPDX-License-Identifier: Apache-2.0 */
/* The set of containers: their names, finding one, making a bundle appear whole and disappear whole. */
#pragma once

#include "base/str.h"
#include "container/record.h"
#include "container/state.h"

/* "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", and nothing that would be taken for an id. */
bool container_name_valid(const char *name);
/* A name that nobody has, made of words; the caller's. */
char *container_name_invent(const struct roots *roots);
/* COR_EXISTS when a container has the name (one that ended and should have been removed by its dead shim is removed first). */
int container_name_check(const struct roots *roots, const char *name, struct cor_error *err);

/* A bundle in the making: its folder is locked, so that nobody takes it for a leftover. */
struct bundle {
	char id[ID_SIZE];
	int dir; /* open folder, locked */
};
int bundle_begin(const struct roots *roots, struct bundle *ret, struct cor_error *err);
/* The container exists from here on, under this name; if it is durable, also after a crash of the host. COR_EXISTS. */
int bundle_publish(const struct roots *roots, struct bundle *bundle, const char *name, bool durable,
		   struct cor_error *err);
/* Removes what was not published; closes. */
void bundle_release(const struct roots *roots, struct bundle *bundle);

/* Name, id or unambiguous prefix of an id. COR_NOT_FOUND, COR_INVALID for an ambiguous one. */
int container_find(const struct roots *roots, const char *ref, char ret_id[ID_SIZE], struct cor_error *err);
/* The ids of all containers, in no order. Removes what crashes have left. */
int container_ids(const struct roots *roots, struct strv *ret, struct cor_error *err);
/* container_status, which also removes the container if it should have gone with its end (-ENOENT, COR_NOT_FOUND). */
int container_settle(const struct roots *roots, const struct container_record *record,
		     struct container_state *ret, struct cor_error *err);
