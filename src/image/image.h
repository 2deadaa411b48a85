/* SPDX-License-Identifier: Apache-2.0 */
/* Local images: a content store below DATA/images, and one ext4 file for each distinct stack of layers.
 *
 *   DATA/images/oci-layout, index.json, blobs/sha256/HEX   an OCI image layout (image-spec, image-layout.md); names are normalised
 *                                                          references in the annotation org.opencontainers.image.ref.name
 *   DATA/images/rootfs/KEY.ext4                            unpacked layers, never written again; KEY: layers, architecture, format
 *   DATA/images/tmp/                                       what is being written
 *   DATA/images/partial/HEX                                blobs that a registry has begun to send
 *   DATA/images/lock                                       flock: shared by who reads or adds, exclusive for who removes
 *   DATA/images/index.lock                                 flock: held while index.json is replaced; taken after lock
 *
 * The calls mirror those of coracle/image.h, which says what they promise. All block; none prints. */
#pragma once

#include "base/error.h"
#include "coracle/image.h"
#include "coracle/registry.h"

#include <jansson.h>
#include <stdint.h>

struct image_store;

/* Opens (and makes, mode 0700) DATA/images. data_fd is borrowed for the call only. */
int image_store_open(int data_fd, struct image_store **ret, struct cor_error *err);
void image_store_free(struct image_store *store);

int image_load(struct image_store *store, int fd, const struct cor_image_load_options *options,
	       struct cor_strings *ret_names, struct cor_error *err);
int image_list(struct image_store *store, struct cor_image_list *ret, struct cor_error *err);
void image_list_release(struct cor_image_list *list);
int image_inspect(struct image_store *store, const char *ref, char **ret_json, struct cor_error *err);
int image_tag(struct image_store *store, const char *ref, const char *new_name, struct cor_error *err);

int image_pull(struct image_store *store, const char *ref, const struct cor_image_pull_options *options,
	       struct cor_image_pulled *ret, struct cor_error *err);
int image_push(struct image_store *store, const char *ref, const struct cor_image_push_options *options,
	       char **ret_digest, struct cor_error *err);

/* Who uses images: called with the store locked, so that no new user appears meanwhile. Returns true, and in *ret_name (the caller's) who,
 * when something holds the image of that id ("sha256:…"), or the disk of that file name ("KEY.ext4"). */
typedef bool image_used_fn(void *userdata, const char *image, char **ret_name);

/* used may be NULL: nothing is in use. */
int image_remove(struct image_store *store, const char *ref, bool force, image_used_fn *used, void *userdata,
		 struct cor_strings *ret_removed, struct cor_error *err);

int image_save(struct image_store *store, const char *const *refs, size_t count, int fd,
	       const struct cor_image_save_options *options, struct cor_error *err);
int image_prune(struct image_store *store, const struct cor_image_prune_options *options, image_used_fn *used,
		void *userdata, struct cor_strings *ret_removed, uint64_t *ret_reclaimed,
		struct cor_error *err);

/* Images, Disks and Parts of coracle/image.h's cor_system_df, added to *facts. */
int image_usage(struct image_store *store, image_used_fn *used, void *userdata, json_t *facts,
		struct cor_error *err);
/* The store's part of cor_system_check: adds to the array what is not as it must be. */
int image_check(struct image_store *store, bool repair, image_used_fn *used, void *userdata, json_t *problems,
		struct cor_error *err);

/* An image made ready to run. */
struct image_rootfs {
	char *path;     /* absolute, of an ext4 file system; open it read-only */
	uint64_t size;  /* of that disk in bytes, and so of every overlay on it: the same for all images */
	char *image_id; /* "sha256:…" */
	json_t *config; /* the OCI image configuration (image-spec, config.md): types of the members that we know are checked */
	int lock; /* a shared lock of the store: the file cannot be removed while it is held */
};

/* Finds an image by name, id or prefix of an id, and unpacks its layers if this was not done before. Release *ret once the container's record
 * is written: until then the lock keeps the image alive. COR_NOT_FOUND, COR_CORRUPT, COR_UNSUPPORTED, COR_EXHAUSTED.
 * platform ("linux/amd64") may be NULL; an image for another one is COR_UNSUPPORTED. */
int image_rootfs(struct image_store *store, const char *ref, const char *platform, struct image_rootfs *ret,
		 struct cor_error *err);
void image_rootfs_release(struct image_rootfs *rootfs);
