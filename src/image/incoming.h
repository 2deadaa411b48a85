/* SPDX-License-Identifier: Apache-2.0 */
/* Images that an archive holds, chosen and checked, before they are part of the store. */
#pragma once

#include "image/tarball.h"
#include "oci/image_config.h"
#include "oci/manifest.h"

/* A blob in the folder of the archive. */
struct incoming_blob {
	char digest[DIGEST_SIZE];
	char file[16];
	uint64_t size;
};

/* An image that is to be unpacked, or an index that is only to be kept, with all that the archive has of it. */
struct incoming_image {
	bool is_index;            /* it has neither manifest nor configuration */
	bool inside;              /* an index stands for it: it gets no place of its own */
	char *media_type;         /* of the manifest */
	char digest[DIGEST_SIZE]; /* of the manifest */
	uint64_t size;            /* of the manifest */
	struct strv names;        /* as the archive writes them; normalised after incoming_name */
	struct manifest manifest;
	struct image_config config;  /* with as many diff_ids as the manifest has layers */
	struct incoming_blob *blobs; /* manifest, configuration, layers: each after what leads to it */
	size_t blob_count;
};

struct incoming {
	struct incoming_image *items; /* no two with the same manifest */
	size_t count;
};

void incoming_release(struct incoming *incoming);
#define _incoming_ _cleanup_(incoming_release)

/* Each finds the images for a platform and adds them to *incoming. COR_CORRUPT for what is broken, COR_UNSUPPORTED when no image is for
 * that platform; *incoming is to be released in any case. all_platforms: indexes are kept, with all their images that the archive has. */
int incoming_from_layout(const struct tarball *tarball, const struct platform *wanted, bool all_platforms,
			 struct incoming *incoming, struct cor_error *err);
int incoming_from_docker(const struct tarball *tarball, const struct platform *wanted,
			 struct incoming *incoming, struct cor_error *err);

/* Makes references of the names. COR_CORRUPT. */
int incoming_name(struct incoming_image *image, struct cor_error *err);

/* For the two of them: */

/* A further image, empty; borrowed until the next one is added. */
struct incoming_image *incoming_add(struct incoming *incoming);
void incoming_drop_last(struct incoming *incoming);
/* How many get a place of their own. */
size_t incoming_places(const struct incoming *incoming);
void incoming_add_blob(struct incoming_image *image, const struct tarball_member *member);
/* Checks that manifest and configuration speak of the same layers. */
int incoming_check(const struct incoming_image *image, struct cor_error *err);
/* The error for an archive without an image for that platform; seen are the platforms that it has. */
int incoming_no_platform(const struct platform *wanted, const struct strv *seen, struct cor_error *err);
void incoming_note_platform(struct strv *seen, const struct platform *platform);
