/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that are relayed between the host and a container: what --volume, --publish-socket and --ssh ask for, as container.json keeps it. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "coracle/container.h"

#include <jansson.h>

#define SOCKETS_MAX      32
#define SOCKET_AGENT     "/run/host-services/ssh-auth.sock"
#define SOCKET_AGENT_ENV "SSH_AUTH_SOCK"

enum socket_kind {
	SOCKET_MOUNTED,   /* of the host, shown in the container */
	SOCKET_SSH_AGENT, /* the same, of the agent that the environment names at each start */
	SOCKET_PUBLISHED, /* of the container, shown on the host */
};

struct container_socket {
	enum socket_kind kind;
	char *host;      /* absolute path; NULL of an agent */
	char *container; /* absolute path */
	bool read_only;
};

struct container_sockets {
	struct container_socket *items;
	size_t count;
};

void container_sockets_release(struct container_sockets *sockets);

/* What the options ask for. Relative paths mean the working directory. Paths of the host that lead to no socket are left to shares.h. */
int container_sockets_choose(const struct cor_container_options *options, struct container_sockets *ret,
			     struct cor_error *err);

/* Appends to the mounts of a config.json what binds them into container `id` (see Listen in agent.proto; the name of a socket is its number in the list). */
void container_sockets_mount(const struct container_sockets *sockets, const char *id, json_t *mounts);

json_t *container_sockets_to_json(const struct container_sockets *sockets);
/* 0 or -EINVAL; what was filled is to be released either way. */
int container_sockets_from_json(const json_t *array, struct container_sockets *sockets);
