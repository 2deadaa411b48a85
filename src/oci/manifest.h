/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes of images, OCI's and Docker's schema 2 (image-spec, manifest.md and image-index.md). Every digest in what
 * these functions return is valid, every size is from 0 to DESCRIPTOR_SIZE_MAX. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "oci/digest.h"
#include "oci/platform.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_SIZE_MAX   (4u << 20) /* of the document in bytes; the limit that registries have */
#define DESCRIPTOR_SIZE_MAX (INT64_C(1) << 40)
#define MANIFEST_LAYERS_MAX 512
#define INDEX_ENTRIES_MAX   10000

#define MEDIA_TYPE_MANIFEST        "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_TYPE_INDEX           "application/vnd.oci.image.index.v1+json"
#define MEDIA_TYPE_CONFIG          "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_LAYER           "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_TYPE_DOCKER_INDEX    "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_TYPE_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"
#define MEDIA_TYPE_EMPTY                                                                                     \
	"application/vnd.oci.empty.v1+json" /* the configuration of an artifact that has none */
/* Obsolete, and refused. */
#define MEDIA_TYPE_DOCKER_SCHEMA_1        "application/vnd.docker.distribution.manifest.v1+json"
#define MEDIA_TYPE_DOCKER_SCHEMA_1_SIGNED "application/vnd.docker.distribution.manifest.v1+prettyjws"

enum media_kind { MEDIA_OTHER, MEDIA_MANIFEST, MEDIA_INDEX, MEDIA_CONFIG, MEDIA_LAYER };
/* What a media type stands for; NULL is MEDIA_OTHER. */
enum media_kind media_kind(const char *media_type);

struct descriptor {
	char *media_type; /* of any kind, well-formed (RFC 6838) */
	char digest[DIGEST_SIZE];
	uint64_t size;
	bool has_platform;
	struct platform platform;
	char *ref_name;  /* annotation org.opencontainers.image.ref.name, or NULL */
	char *full_name; /* annotation io.containerd.image.name: what Docker calls the image, or NULL */
};

struct manifest {
	struct descriptor config;
	struct descriptor *layers; /* lowest first; at least one */
	size_t layer_count;
};

struct manifest_index {
	struct descriptor *items;
	size_t count;
};

/* Whether a document is what it came as: media_type is the Content-Type of the answer, or what the descriptor says that led to it. Refuses documents that call themselves something else, or
 * that could be read as something else as well, so that nobody is shown one thing and run another (CVE-2021-41190). *ret is MEDIA_MANIFEST or MEDIA_INDEX. COR_CORRUPT; COR_UNSUPPORTED for
 * schema 1, and for media types of nothing that we know. */
int manifest_check_type(const json_t *document, const char *media_type, enum media_kind *ret,
			struct cor_error *err);

/* COR_CORRUPT for what breaks the format, COR_UNSUPPORTED for what is no image of a container (an artifact, layers of an unknown kind).
 * A document that could be read as both a manifest and an index is refused. */
int manifest_parse(const json_t *document, struct manifest *ret, struct cor_error *err);
/* The same for what need not be an image: which blobs a manifest has, whatever they are, perhaps no layers. */
int manifest_parse_any(const json_t *document, struct manifest *ret, struct cor_error *err);
void manifest_release(struct manifest *manifest);

int manifest_index_parse(const json_t *document, struct manifest_index *ret, struct cor_error *err);
void manifest_index_release(struct manifest_index *index);

#define _manifest_       _cleanup_(manifest_release)
#define _manifest_index_ _cleanup_(manifest_index_release)
