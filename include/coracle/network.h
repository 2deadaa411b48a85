/* SPDX-License-Identifier: Apache-2.0 */
/* Networks: bridges of the host with subnets of their own. A network is a record; it is there in the kernel while a container is in it. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cor_network_options {
	const char *name;
	/* "10.20.30.0/24", "fd12:3456:789a::/64"; NULL: chosen so that they collide with no route of the host */
	const char *subnet, *subnet_v6;
	const char *domain;        /* of the containers' names; NULL: "coracle" */
	const char *const *labels; /* "KEY=VALUE", NULL-terminated; may be NULL */
	bool internal;             /* no way out */
	/* Services of the host that its containers reach: "PORT[-LAST][/tcp|/udp]" or "all", NULL-terminated; may be NULL: none. Never those on its loopback. */
	const char *const *allow_host;
};
/* COR_EXISTS for the name; COR_INVALID for a subnet that is none, or overlaps a route of the host or another network. */
COR_EXPORT int cor_network_create(struct cor_context *ctx, const struct cor_network_options *options,
				  struct cor_error *err);

struct cor_network_info {
	char *name, *subnet, *subnet_v6, *domain;
	bool internal;
	unsigned containers; /* that are in it now */
	int64_t created_ns;  /* since the epoch */
	struct cor_strings labels;
};
struct cor_network_list {
	struct cor_network_info *items;
	size_t count;
};
/* By name. The network "default" is made when a container first joins it. */
COR_EXPORT int cor_network_list(struct cor_context *ctx, struct cor_network_list *ret, struct cor_error *err);
COR_EXPORT void cor_network_list_release(struct cor_network_list *list);

/* A JSON object in the shape of `docker network inspect`. COR_NOT_FOUND. */
COR_EXPORT int cor_network_inspect(struct cor_context *ctx, const char *name, char **ret_json,
				   struct cor_error *err);
/* COR_BUSY while a container is in it. */
COR_EXPORT int cor_network_remove(struct cor_context *ctx, const char *name, struct cor_error *err);
/* Removes those, but for "default", that no container names, running or not. */
COR_EXPORT int cor_network_prune(struct cor_context *ctx, struct cor_strings *ret_removed,
				 struct cor_error *err);

/* The network of containers that name none: what CORACLE_NETWORK says; where it says nothing, "default" if this process may make bridges, else "user" (passt(1), which
 * needs no rights) if that can be run, else "none". *ret_why, which may be NULL, gets a reason for people: of "user" and "none", what is missing for those before them.
 * Takes milliseconds; both are heap memory, and the caller's. */
COR_EXPORT char *cor_network_usual(struct cor_context *ctx, char **ret_why);

/* What containers in these networks (as in struct cor_container_options) have to do without on this host, in words for people, or NULL; the caller's. */
COR_EXPORT char *cor_network_lacks(struct cor_context *ctx, const char *const *networks);

/* The host itself finds the containers of all networks of this domain (NULL: "coracle") by name, from now on and until it is removed: systemd-resolved asks their name
 * servers. COR_EXISTS; COR_UNSUPPORTED with what to do instead on a host without it. */
COR_EXPORT int cor_dns_create(struct cor_context *ctx, const char *domain, struct cor_error *err);
/* COR_NOT_FOUND. */
COR_EXPORT int cor_dns_remove(struct cor_context *ctx, const char *domain, struct cor_error *err);
/* A JSON array: for every network its Domain, Network, Server and ServerV6 (addresses, which answer while a container is in it), and whether the host is to resolve it
 * (Resolved). cor_free. */
COR_EXPORT int cor_dns_list(struct cor_context *ctx, char **ret_json, struct cor_error *err);

/* Makes the host's kernel what it should be: what the dead left is removed, rules, bridges and name servers that others took away are made anew.
 * *ret_networks: how many are up; *ret_removed: how many were left over. Either may be NULL. */
COR_EXPORT int cor_network_repair(struct cor_context *ctx, unsigned *ret_networks, unsigned *ret_removed,
				  struct cor_error *err);

#ifdef __cplusplus
}
#endif
