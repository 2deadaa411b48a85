/* SPDX-License-Identifier: Apache-2.0 */
/* All blobs of a push, some at a time. */
#pragma once

#include "oci/digest.h"
#include "registry/registry.h"

struct upload {
	struct uploads *all;
	char digest[DIGEST_SIZE];
	uint64_t size, done;
	char *from; /* a repository of the registry that may have it, or NULL; ours */
	int fd;     /* while it runs */
	enum cor_transfer_state state;
};

struct uploads {
	int dir; /* borrowed: the folder that has them under their digits */
	struct upload *items;
	size_t count, begun, running, ended;
	const struct cor_registry_options *options;
	struct registry *registry;
	uint64_t reported_ns;
	bool changed, failed;
	struct cor_error failure;
};

/* Each digest once. Not after uploads_send. */
void uploads_add(struct uploads *uploads, const char *digest, uint64_t size);
/* Before it, what runs must have ended. */
void uploads_release(struct uploads *uploads);

/* All of them. Both borrowed. */
int uploads_send(struct uploads *uploads, struct registry *registry,
		 const struct cor_registry_options *options, struct cor_error *err);
