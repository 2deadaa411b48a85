/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacked stacks of layers: rootfs/KEY.ext4. */
#pragma once

#include "base/size.h"
#include "image/source.h"
#include "image/store.h"
#include "oci/image_config.h"
#include "oci/manifest.h"

#define DISK_SIZE        (64 * GIB) /* of the file, sparse */
#define ROOTFS_NAME_SIZE (DIGEST_HEX_SIZE + 5)

/* How layers are opened for reading: *ret is the caller's. They are opened in their order, each while the one before it is still read. */
typedef int layer_open_fn(void *userdata, const struct descriptor *layer, struct source *ret,
			  struct cor_error *err);

/* "KEY.ext4": what it is called in rootfs/. */
void rootfs_name(const struct image_config *config, char out[ROOTFS_NAME_SIZE]);
bool rootfs_exists(const struct image_store *store, const char *name);

/* Unpacks all layers into the new file `file` in the folder dir, and syncs it. The manifest has as many layers as the configuration. After a failure the file may
 * be there, good for nothing. */
int rootfs_build(const struct manifest *manifest, const struct image_config *config,
		 layer_open_fn *open_layer, void *userdata, int dir, const char *file, struct cor_error *err);

/* Reads all layers and checks that they are what the configuration says: where the disk is there, but these layers may claim to be others than they are. */
int rootfs_verify(const struct manifest *manifest, const struct image_config *config,
		  layer_open_fn *open_layer, void *userdata, struct cor_error *err);

/* Moves a built one to its place. That another one is there already is no error: they are equal. */
int rootfs_publish(const struct image_store *store, int dir, const char *file, const char *name,
		   struct cor_error *err);
