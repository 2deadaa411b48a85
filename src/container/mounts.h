/* SPDX-License-Identifier: Apache-2.0 */
/* The volumes and the file systems in memory of a new container: from --volume, --mount and the image to its record and its config.json. */
#pragma once

#include "container/record.h"
#include "container/volume.h"

/* What is mounted into a new container, while that is being made. */
struct container_mounts {
	struct volume_request *tmpfs; /* of --mount */
	size_t tmpfs_count;
	struct strv made; /* anonymous volumes: nobody else knows them yet */
	int lock; /* of volumes: shared, so that none of them is removed before the container is there */
};

/* Makes the volumes that are missing and adds all to the record. What the image names as VOLUME gets an anonymous one, where nothing else is mounted there. COR_INVALID. */
int container_mounts_choose(const struct roots *roots, const struct cor_container_options *options,
			    const json_t *image_config, struct container_record *record,
			    struct container_mounts *ret, struct cor_error *err);
/* Without `keep` removes the anonymous volumes that were made. */
void container_mounts_release(const struct roots *roots, struct container_mounts *mounts, bool keep);

/* Appends them to the mounts of container id's config.json, and puts those in order: what is mounted below another mount comes after it. */
void container_mounts_add(const struct container_mounts *mounts, const struct container_record *record,
			  const char *id, json_t *list);
