/* SPDX-License-Identifier: Apache-2.0 */
/* The folders of the store, its locks, and the blobs in it. Shared by the files of this folder. */
#pragma once

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "image/image.h"
#include "oci/digest.h"

struct image_store {
	char *path; /* absolute, of DATA/images */
	int dir;
	int blobs; /* blobs/sha256 */
	int rootfs;
	int tmp;
	int partial; /* see fetch.h */
};
DEFINE_CLEANUP(struct image_store *, image_store_free)

/* DATA/images/lock; operation is LOCK_SH or LOCK_EX. Held until *ret_fd is closed. Blocks. */
int store_lock(const struct image_store *store, int operation, int *ret_fd, struct cor_error *err);

/* A lock that exists as long as somebody wants it: the file tmp/NAME. Blocks. */
int store_lock_named(const struct image_store *store, const char *name, int *ret_fd, struct cor_error *err);
void store_unlock_named(const struct image_store *store, const char *name, int *fd);

/* The same, but 0 when another holds it. 1: it is ours. */
int store_try_lock_named(const struct image_store *store, const char *name, int *ret_fd,
			 struct cor_error *err);

/* True if the open file is still what the name stands for: one that was removed in between locks nobody out. */
bool store_is_named(int dir, const char *name, int fd);

/* A folder below tmp/ for what is not complete yet, on the file system of the store. It is locked as long as it is open, so that what a crash
 * left behind can be told from what somebody works on. */
struct workspace {
	const struct image_store *store;
	char name[32];
	int fd;
};
int workspace_open(const struct image_store *store, struct workspace *ret, struct cor_error *err);
/* Removes it with all that is in it. */
void workspace_release(struct workspace *workspace);
#define _workspace_ _cleanup_(workspace_release)

/* Removes what ended commands left in tmp/. Returns how many bytes of the host's disk that freed. */
uint64_t store_sweep_tmp(const struct image_store *store);

/* Removes a file; returns how many bytes that freed: none while it has another name. */
uint64_t store_remove_file(int dir, const char *name);

/* True if the store has a file of this name and size. */
bool store_has_blob(const struct image_store *store, const char *digest, uint64_t size);
/* Opens a blob for reading. COR_CORRUPT when it is missing or not of this size: whoever has its digest from us may rely on it. */
int store_open_blob(const struct image_store *store, const char *digest, uint64_t size, int *ret_fd,
		    struct cor_error *err);
/* Reads a document of at most max bytes and checks its digest again. */
int store_read_json(const struct image_store *store, const char *digest, size_t max, json_t **ret,
		    struct cor_error *err);

/* Moves a complete blob from a folder of the same file system into the store, unless it is there. The store's lock is held. */
int store_publish_blob(const struct image_store *store, int dir, const char *file, const char *digest,
		       uint64_t size, struct cor_error *err);

/* fsync of a folder, so that names in it outlive a crash. */
int store_sync_folder(int dir, struct cor_error *err);
