/* SPDX-License-Identifier: Apache-2.0 */
/* A container's file system as a whole: as an archive, as a list of changes, as an image. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tar archive of the root file system, without what is mounted in it, to fd. The processes of a running container stand still meanwhile, so that the archive is of
 * one moment. */
COR_EXPORT int cor_container_export(struct cor_context *ctx, const char *ref, int fd, struct cor_error *err);

struct cor_change {
	char kind; /* 'A'dded, 'C'hanged, 'D'eleted; in a folder that was deleted nothing more is told */
	char *path;
};
struct cor_change_list {
	struct cor_change *items; /* sorted by path */
	size_t count;
};
/* How the root file system differs from the image's. */
COR_EXPORT int cor_container_diff(struct cor_context *ctx, const char *ref, struct cor_change_list *ret,
				  struct cor_error *err);
COR_EXPORT void cor_change_list_release(struct cor_change_list *list);

/* Zero means the default everywhere. */
struct cor_commit_options {
	const char *name; /* of the new image; NULL: none */
	const char *author, *message;
	/* Lines of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR; NULL-terminated */
	const char *const *changes;
	bool no_pause; /* leave the processes running: files that they write meanwhile may be half in the image */
};
/* Makes an image of the container's and what it changed, as one more layer. *ret_id is "sha256:…". */
COR_EXPORT int cor_container_commit(struct cor_context *ctx, const char *ref,
				    const struct cor_commit_options *options, char **ret_id,
				    struct cor_error *err);

#ifdef __cplusplus
}
#endif
