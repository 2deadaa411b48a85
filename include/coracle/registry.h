/* SPDX-License-Identifier: Apache-2.0 */
/* Images that come from and go to registries (OCI distribution specification 1.1, and the Docker registry API that it grew from). */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cor_transfer_state {
	COR_TRANSFER_WAITING,  /* for its turn, or for another command that fetches the same blob */
	COR_TRANSFER_RUNNING,  /* bytes go over the network */
	COR_TRANSFER_RETRYING, /* the line broke, or the registry asked for patience */
	COR_TRANSFER_UNPACKING,
	COR_TRANSFER_DONE,
	COR_TRANSFER_EXISTS,  /* it was there already: nothing was sent */
	COR_TRANSFER_MOUNTED, /* the registry took it from another repository of its own */
};

/* One blob on its way. */
struct cor_transfer {
	const char *digest;   /* "sha256:…" */
	uint64_t done, total; /* bytes over the network, both with what an earlier attempt left */
	enum cor_transfer_state state;
};

/* Called about ten times a second, and when a state changes, in the thread of the call that it was given to; always with all blobs, in the order of the
 * manifest; while only documents are on their way: with NULL and 0, which asks for nothing but whether to go on. Returns 0 to go on; anything else cancels the
 * call, which then fails with COR_CANCELLED. */
typedef int cor_progress_fn(void *userdata, const struct cor_transfer *transfers, size_t count);

struct cor_registry_options {
	const char *
		scheme; /* "https", "http", or "auto" (and NULL): https, and http for a loopback registry that speaks no TLS */
	const char *
		config_dir; /* credentials, certificates, mirrors. NULL: $CORACLE_CONFIG, else $XDG_CONFIG_HOME/coracle (~/.config/coracle) */
	unsigned concurrent;       /* blobs at once; 0: 3 */
	cor_progress_fn *progress; /* may be NULL */
	void *userdata;
};

struct cor_image_pull_options {
	struct cor_registry_options registry;
	const char *platform; /* "os/arch[/variant]"; NULL: the host's */
	bool all_platforms; /* all that the index names are stored; the one of `platform` is unpacked, if it is among them */
};

struct cor_image_pulled {
	char *name; /* normalised reference that it has now; NULL for one that was asked for by digest alone */
	char *digest;   /* "sha256:…" of what the reference stands for: a manifest or an index */
	char *id;       /* "sha256:…" of the configuration of the platform's image */
	bool unchanged; /* everything was there already */
};
COR_EXPORT void cor_image_pulled_release(struct cor_image_pulled *pulled);

/* Fetches an image, makes it ready to run and gives it its name. What was fetched when the call fails or the process dies is kept and used by the next pull; nothing half-done
 * becomes visible. COR_NOT_FOUND, COR_PERMISSION (credentials), COR_CORRUPT (what came is not what was promised), COR_UNAVAILABLE,
 * COR_TIMEOUT, COR_UNSUPPORTED (platform), COR_EXHAUSTED (disk), COR_CANCELLED. */
COR_EXPORT int cor_image_pull(struct cor_context *ctx, const char *ref,
			      const struct cor_image_pull_options *options, struct cor_image_pulled *ret,
			      struct cor_error *err);

struct cor_image_push_options {
	struct cor_registry_options registry;
	const char *target; /* the reference to push to; NULL: ref itself */
	const char *
		platform; /* only that image of an index; NULL: an index whose images are all here goes whole, else the host's image */
};

/* Sends what ref stands for, byte for byte as it is stored. *ret_digest is the digest of what now stands under the name. Errors as for cor_image_pull. */
COR_EXPORT int cor_image_push(struct cor_context *ctx, const char *ref,
			      const struct cor_image_push_options *options, char **ret_digest,
			      struct cor_error *err);

/* Checks user and password with the registry ("docker.io", "host:port") and stores them. COR_PERMISSION when it refuses them. *ret_where, which may be NULL, says where they are
 * now: a path, or a credential helper. */
COR_EXPORT int cor_registry_login(struct cor_context *ctx, const char *registry, const char *user,
				  const char *password, const struct cor_registry_options *options,
				  char **ret_where, struct cor_error *err);
/* COR_NOT_FOUND when nothing is stored for it. */
COR_EXPORT int cor_registry_logout(struct cor_context *ctx, const char *registry, const char *config_dir,
				   struct cor_error *err);
/* A JSON array of {"Registry", "User", "Source"}; never a password. */
COR_EXPORT int cor_registry_list(struct cor_context *ctx, const char *config_dir, char **ret_json,
				 struct cor_error *err);

#ifdef __cplusplus
}
#endif
