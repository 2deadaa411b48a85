/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: data that outlives containers. A volume is a disk of its own; one container writes to it at a time, or many read. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cor_volume_options {
	const char *name; /* NULL: one is made up, and the volume is anonymous */
	uint64_t size;    /* bytes, from 64 MiB to 8 TiB; 0: 256 GiB. Costs nothing until it is used */
	const char *const *labels; /* "KEY=VALUE", NULL-terminated; may be NULL */
	/* "journal=false" (faster; must be checked after a crash), "shared=true" (several containers write at once), "size=20g"; NULL-terminated; may be NULL */
	const char *const *options;
};
/* *ret_name is the caller's (cor_free). One that is there already and is as wished is no error; COR_EXISTS for one of another size or with other options. COR_INVALID for a name or a
 * size that is none. */
COR_EXPORT int cor_volume_create(struct cor_context *ctx, const struct cor_volume_options *options,
				 char **ret_name, struct cor_error *err);

struct cor_volume_info {
	char *name;
	uint64_t size; /* as its containers see it */
	uint64_t used; /* of the host's disk */
	bool journal, shared;
	bool anonymous;                /* nobody chose its name */
	int64_t created_ns;            /* since the epoch */
	struct cor_strings labels;     /* "KEY=VALUE" */
	struct cor_strings containers; /* names of those that have it, running or not */
};
struct cor_volume_list {
	struct cor_volume_info *items;
	size_t count;
};
/* By name. */
COR_EXPORT int cor_volume_list(struct cor_context *ctx, struct cor_volume_list *ret, struct cor_error *err);
COR_EXPORT void cor_volume_list_release(struct cor_volume_list *list);

/* A JSON object in the shape of `docker volume inspect`. COR_NOT_FOUND. */
COR_EXPORT int cor_volume_inspect(struct cor_context *ctx, const char *name, char **ret_json,
				  struct cor_error *err);
/* COR_BUSY while a container has it, running or not. COR_NOT_FOUND. */
COR_EXPORT int cor_volume_remove(struct cor_context *ctx, const char *name, struct cor_error *err);

/* Looks whether its file system is whole, or makes it so as far as can be, in a process without rights; no container may run with it. COR_BUSY, COR_CORRUPT. *ret_repaired: something
 * was. */
COR_EXPORT int cor_volume_check(struct cor_context *ctx, const char *name, bool repair, bool *ret_repaired,
				struct cor_error *err);

struct cor_volume_prune_options {
	bool all; /* also volumes that somebody named */
	/* "KEY" or "KEY=VALUE", all of which a volume must have; NULL-terminated, or NULL */
	const char *const *labels;
};
/* Removes the volumes that no container has. *ret_reclaimed: bytes of the host's disk. */
COR_EXPORT int cor_volume_prune(struct cor_context *ctx, const struct cor_volume_prune_options *options,
				struct cor_strings *ret_removed, uint64_t *ret_reclaimed,
				struct cor_error *err);

#ifdef __cplusplus
}
#endif
