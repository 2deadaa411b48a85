/* SPDX-License-Identifier: Apache-2.0 */
/* Networks as they are written down: DATA/networks/NAME.json, which never changes once it is made. What of them is there in the kernel is
 * another matter (net/state.h). */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "net/address.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define NETWORK_NAME_MAX   63
#define NETWORK_DEFAULT    "default"
#define NETWORK_DOMAIN_MAX 127
#define NETWORK_DOMAIN     "coracle" /* where none is wished */

struct network {
	char name[NETWORK_NAME_MAX + 1];
	struct net_prefix v4, v6; /* subnets; v4 is always there, v6 may be empty */
	bool internal;            /* no way out, and the host is not reached either but for names */
	char domain[NETWORK_DOMAIN_MAX + 1]; /* of its containers' names */
	struct strv labels;                  /* KEY=VALUE */
	/* The host's own services that its containers reach: "all", or "PORT[-LAST][/tcp|/udp]" */
	struct strv allow_host;
	int64_t created_ns;
};
void network_release(struct network *network);

/* What a new one is made from; NULL: chosen so that it collides with nothing. */
struct network_wish {
	const char *name;
	const char *subnet, *subnet_v6;
	const char *domain;
	bool internal;
	const char *const *labels;     /* NULL-terminated; may be NULL */
	const char *const *allow_host; /* the same */
};

bool network_name_valid(const char *name);
/* Of those, the names that stand for something else than a record: "user" (net/user.h) and "host", which no container can be in. */
#define NETWORK_USER "user"
#define NETWORK_HOST "host"
/* Labels of letters, digits and inner hyphens (also underscores, which many give to containers), parted by dots. */
bool network_domain_valid(const char *domain);
#define NETWORK_ALLOW_ALL "all"

/* COR_EXISTS for the name, COR_INVALID for a subnet that is none or overlaps a route of the host or another network (said which), COR_EXHAUSTED. */
int network_create(int data_dir, const struct network_wish *wish, struct network *ret, struct cor_error *err);
/* COR_NOT_FOUND. */
int network_read(int data_dir, const char *name, struct network *ret, struct cor_error *err);
/* The same, but that the default network is made when it is not there. */
int network_need(int data_dir, const char *name, struct network *ret, struct cor_error *err);
/* Forgets it. The caller has seen to it that nobody uses it. */
int network_forget(int data_dir, const char *name, struct cor_error *err);
/* Their names, sorted. */
int network_names(int data_dir, struct strv *ret, struct cor_error *err);

/* The host's own address, and the first that a container may have. */
#define NETWORK_GATEWAY    1u
#define NETWORK_FIRST_HOST 2u

/* Public for its fuzz target: 0 or -EINVAL; what was filled is to be released either way. */
int network_parse(const json_t *document, struct network *network);
json_t *network_to_json(const struct network *network);
