/* SPDX-License-Identifier: Apache-2.0 */
/* index.json: which manifests and indexes are here, and under which names. An index stands for an image for several platforms, not all of which need be here
 * (children.h): wherever one image is wanted, one of its manifests is chosen. */
#pragma once

#include "image/store.h"
#include "oci/image_config.h"
#include "oci/manifest.h"

/* One manifest or index with all its names. */
struct index_image {
	char *media_type;
	char digest[DIGEST_SIZE];
	uint64_t size;     /* of that document */
	struct strv names; /* normalised; may be empty */
	char chosen
		[DIGEST_SIZE]; /* by index_find: the manifest of an index that was meant; "": the index itself */
};

struct index {
	struct index_image *items; /* in the order in which they came */
	size_t count;
};

/* A store without an index.json has no images. */
int index_read(const struct image_store *store, struct index *ret, struct cor_error *err);
int index_write(const struct image_store *store, const struct index *index, struct cor_error *err);
void index_release(struct index *index);
#define _index_ _cleanup_(index_release)

/* index.lock, to be held from index_read to index_write; the store's lock comes before it. */
int index_lock(const struct image_store *store, int *ret_fd, struct cor_error *err);

/* The image with this digest, added if it is not there. Borrowed, until the next change. */
struct index_image *index_add(struct index *index, const char *media_type, const char *digest, uint64_t size);
/* Gives a name to one image and takes it from every other. */
void index_set_name(struct index *index, struct index_image *image, const char *name);
void index_remove(struct index *index, size_t position);

/* A name as somebody wants to give it, normalised, the caller's. COR_INVALID, also for what would be read as an id or has a digest. */
int index_name(const char *text, char **ret, struct cor_error *err);

/* Finds what a person means: a name, an id, or the beginning of an id (image.h says in which order). *ret_name is the name that was
 * meant, borrowed from the index, or NULL if it was the image. Where it was one manifest of an index, the item says which. */
int index_find(const struct image_store *store, struct index *index, const char *ref, size_t *ret_position,
	       const char **ret_name, struct cor_error *err);

/* What an image's manifest and configuration say. */
struct image_facts {
	struct manifest manifest;
	struct image_config parsed;
	json_t *config;
};
/* Of an index: those of the host's platform, or of the first image in it that is here. */
int image_facts_read(const struct image_store *store, const struct index_image *image,
		     struct image_facts *ret, struct cor_error *err);
/* Only for this platform. COR_UNSUPPORTED; COR_NOT_FOUND where the index has it and it is not here. wanted may be NULL. */
int image_facts_read_for(const struct image_store *store, const struct index_image *image,
			 const struct platform *wanted, struct image_facts *ret, struct cor_error *err);
void image_facts_release(struct image_facts *facts);
#define _image_facts_ _cleanup_(image_facts_release)

/* The id of an image alone: the digest of the configuration that image_facts_read reads. */
int image_id_read(const struct image_store *store, const struct index_image *image, char ret[DIGEST_SIZE],
		  struct cor_error *err);
/* Adds the ids of all its images that are here. */
int image_ids_read(const struct image_store *store, const struct index_image *image, struct strv *ret,
		   struct cor_error *err);

/* Bytes of configuration and layers. */
uint64_t image_size(const struct manifest *manifest);
