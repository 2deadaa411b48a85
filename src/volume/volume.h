/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: data that outlives containers.
 *
 *   DATA/volumes/NAME/volume.json   the record, never changed
 *   DATA/volumes/NAME/disk          an ext4 file system, sparse; written by guests and hence hostile: the host never mounts it, and reads nothing of it but what
 *                                   disk.h says. Its flock says who has it: one writer or many readers
 *   DATA/volumes/NAME/data/         of a volume that several containers write at once, in place of the disk: a folder that is shared
 *   DATA/volumes/.new-ID/           one in the making, or on its way out; whoever works on it holds an flock on the folder
 *   DATA/volumes/.lock              flock: held alone by who removes volumes, shared by who makes a container that names some
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdint.h>

#define VOLUME_NAME_MAX     255
#define VOLUME_SIZE_MIN     (UINT64_C(64) << 20)
#define VOLUME_SIZE_MAX     (UINT64_C(8) << 40)
#define VOLUME_SIZE_DEFAULT (UINT64_C(256) << 30)

struct volume {
	char *name;
	uint64_t size;      /* of the disk as guests see it; what it takes of the host's is volume_usage */
	bool journal;       /* without one it is faster, and has to be checked after a crash */
	bool shared;        /* several containers write at once: a folder, no disk */
	bool anonymous;     /* nobody chose the name: it goes with `rm -v` and --rm */
	struct strv labels; /* KEY=VALUE */
	int64_t created_ns;
};
void volume_release(struct volume *volume);
#define _volume_ _cleanup_(volume_release)

/* "[A-Za-z0-9][A-Za-z0-9_.-]*", up to VOLUME_NAME_MAX bytes. Anonymous ones have 64 hexadecimal digits. */
bool volume_name_valid(const char *name);

/* What somebody wants; zero means the default. All is borrowed. */
struct volume_wish {
	const char *name;           /* NULL: one is made up, and the volume is anonymous */
	uint64_t size;              /* bytes; rounded up to whole MiB */
	const char *const *labels;  /* KEY=VALUE or KEY, NULL-terminated; may be NULL */
	const char *const *options; /* "journal=true|false", "shared=true|false", "size=20g" */
};
/* What a wish means, checked; the name is not made up here. COR_INVALID. */
int volume_wish_parse(const struct volume_wish *wish, struct volume *ret, struct cor_error *err);

/* Makes it, whole or not at all, durable when this returns. One of that name that is as wished is taken as it is (0 and *ret_made false), any other is COR_EXISTS. */
int volume_create(int data_dir, const struct volume_wish *wish, struct volume *ret, bool *ret_made,
		  struct cor_error *err);
/* COR_NOT_FOUND, COR_CORRUPT. */
int volume_read(int data_dir, const char *name, struct volume *ret, struct cor_error *err);
/* By name. Removes what crashes have left. */
int volume_names(int data_dir, struct strv *ret, struct cor_error *err);
/* Bytes that it takes of the host's disk. */
uint64_t volume_usage(int data_dir, const char *name);
/* Removes it. The caller holds the lock alone and knows that no container names it. COR_BUSY while a machine has its disk all the same. COR_NOT_FOUND. */
int volume_remove(int data_dir, const char *name, struct cor_error *err);

/* Takes DATA/volumes/.lock (LOCK_SH or LOCK_EX), and waits for it; closing *ret_fd lets go. */
int volume_lock(int data_dir, int operation, int *ret_fd, struct cor_error *err);

/* For the fuzz target too: the record as it stands on the disk. 0 or -EINVAL; what was filled is to be released either way. */
json_t *volume_to_json(const struct volume *volume);
int volume_from_json(const json_t *document, struct volume *volume);
