/* SPDX-License-Identifier: Apache-2.0 */
/* Files into and out of containers, whether these run or not. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default everywhere. */
struct cor_copy_options {
	bool follow_link; /* a source that is a symbolic link stands for what it leads to */
	/* Owners, and set-user-id bits, as at the source; otherwise files in a container belong to root, and files on the host to the caller. */
	bool archive;
};

struct cor_copied {
	uint64_t bytes;
	uint64_t left_out; /* devices, which are not copied to the host */
};

/* Copies source in the container to dest on the host, and the other way round, by Docker's rules: a source that ends in "/." stands for what is in it; a dest
 * that is a directory gets the source in it. Relative paths count from "/" in the container, and from the working directory on the host. No link in what comes
 * from the container leads out of dest. ret may be NULL. */
COR_EXPORT int cor_copy_from(struct cor_context *ctx, const char *ref, const char *source, const char *dest,
			     const struct cor_copy_options *options, struct cor_copied *ret,
			     struct cor_error *err);
COR_EXPORT int cor_copy_to(struct cor_context *ctx, const char *ref, const char *source, const char *dest,
			   const struct cor_copy_options *options, struct cor_copied *ret,
			   struct cor_error *err);

/* The same with a tar archive on this side: written to fd, with the owners of the container; or read from fd to its end, plain or compressed, into a directory
 * of the container, with the owners of the archive. */
COR_EXPORT int cor_copy_out(struct cor_context *ctx, const char *ref, const char *source, int fd,
			    const struct cor_copy_options *options, struct cor_error *err);
COR_EXPORT int cor_copy_in(struct cor_context *ctx, const char *ref, int fd, const char *dest,
			   const struct cor_copy_options *options, struct cor_error *err);

#ifdef __cplusplus
}
#endif
