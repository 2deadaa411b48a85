/* SPDX-License-Identifier: Apache-2.0 */
/* Local images: an OCI content store, and ext4 images of their unpacked layers. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cor_image_info {
	char *id;                 /* "sha256:…" of the configuration */
	char *digest;             /* "sha256:…" of what the names stand for: a manifest or an index */
	struct cor_strings names; /* normalised references: "docker.io/library/busybox:latest" */
	char *architecture;       /* as OCI writes it: "amd64" */
	char *os;
	int64_t created_ns; /* since the epoch; 0: not said */
	uint64_t
		size; /* bytes of configurations and layers in the store, of all its platforms that are here */
	uint64_t shared; /* of these: bytes that other images need too */
};

struct cor_image_list {
	struct cor_image_info *items;
	size_t count;
};
COR_EXPORT void cor_image_list_release(struct cor_image_list *list);

struct cor_image_load_options {
	const char *name;     /* the name it gets instead of the ones the archive has; NULL: those */
	const char *platform; /* "os/arch[/variant]"; NULL: the host's */
	bool all_platforms; /* everything that an index in the archive names is stored, not only the platform's image */
};

/* Reads an OCI layout or a docker-archive (tar, may be gzip or zstd as a whole) from fd, which need not be seekable. *ret_names are the references made,
 * or "sha256:…" where the archive names nothing. COR_CORRUPT for what is broken, COR_UNSUPPORTED for another platform. Nothing half-done stays. */
COR_EXPORT int cor_image_load(struct cor_context *ctx, int fd, const struct cor_image_load_options *options,
			      struct cor_strings *ret_names, struct cor_error *err);

COR_EXPORT int cor_image_list(struct cor_context *ctx, struct cor_image_list *ret, struct cor_error *err);

/* ref: a reference ("busybox", "debian:12", "name@sha256:…") or an id or an unambiguous prefix of one (at least 4 digits).
 * A JSON object in the shape of `docker image inspect`. COR_NOT_FOUND, COR_INVALID. */
COR_EXPORT int cor_image_inspect(struct cor_context *ctx, const char *ref, char **ret_json,
				 struct cor_error *err);

COR_EXPORT int cor_image_tag(struct cor_context *ctx, const char *ref, const char *new_name,
			     struct cor_error *err);

/* Removes a name; with its last name the image goes. An id removes all its names. COR_BUSY when a container uses the image, unless force
 * (which then only removes the names). *ret_removed tells what went ("untagged: …", "deleted: sha256:…"). */
COR_EXPORT int cor_image_remove(struct cor_context *ctx, const char *ref, bool force,
				struct cor_strings *ret_removed, struct cor_error *err);

enum cor_archive_format {
	COR_ARCHIVE_BOTH, /* an OCI layout that is a docker-archive too: what docker, podman and skopeo read */
	COR_ARCHIVE_OCI,  /* an OCI layout alone */
	COR_ARCHIVE_DOCKER, /* a docker-archive alone, with uncompressed layers, for old readers */
};

struct cor_image_save_options {
	enum cor_archive_format format;
	const char *
		platform; /* only that image of an index; NULL: the index with all of its images that are here */
};

/* Writes images as one tar archive to fd, which need not be seekable. Several refs of one image become its names. COR_NOT_FOUND, COR_UNSUPPORTED (an index as a
 * docker-archive: platform chooses). */
COR_EXPORT int cor_image_save(struct cor_context *ctx, const char *const *refs, size_t count, int fd,
			      const struct cor_image_save_options *options, struct cor_error *err);

struct cor_image_prune_options {
	bool all;          /* also images that have names, if no container uses them */
	int64_t before_ns; /* only those that were made before; 0: all */
	const char *const *
		labels; /* "KEY" or "KEY=VALUE", all of which the configuration must have; NULL-terminated, or NULL */
};

/* Removes images without names (see all), and what no image needs: blobs, disks, parts of pulls that nobody works on. Safe beside any other command. *ret_reclaimed: bytes of the
 * host's disk. */
COR_EXPORT int cor_image_prune(struct cor_context *ctx, const struct cor_image_prune_options *options,
			       struct cor_strings *ret_removed, uint64_t *ret_reclaimed,
			       struct cor_error *err);

/* What the host's disk is used for, as a JSON object: {"Images": {"Total", "Active", "Size", "Reclaimable"}, "Containers": {the same}, "Volumes":
 * {the same}, "Templates": {the same}, "Disks": {...}, "Parts": {...}}, sizes in bytes as the host's file system counts them, each byte once. */
COR_EXPORT int cor_system_df(struct cor_context *ctx, char **ret_json, struct cor_error *err);

/* Removes the saved machines that others begin from: the next start of each shape boots, and has its machine saved anew. *ret_reclaimed: bytes. */
COR_EXPORT int cor_template_prune(struct cor_context *ctx, unsigned *ret_count, uint64_t *ret_reclaimed,
				  struct cor_error *err);

/* Looks whether everything is as it must be: each blob has its digest, each image all that it names, disks have their size; containers, names and disks lead to each other. *ret_json: an array of
 * {"What", "Problem", "Repaired"}, empty when all is well. repair removes what is broken and can be fetched or made again, never what a user has written. What killed commands left behind is no
 * problem: a repair removes it too, and says so. Reads every blob; right beside any other command. */
COR_EXPORT int cor_system_check(struct cor_context *ctx, bool repair, char **ret_json, struct cor_error *err);

#ifdef __cplusplus
}
#endif
