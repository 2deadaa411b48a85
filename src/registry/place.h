/* SPDX-License-Identifier: Apache-2.0 */
/* One place where the repository may be, a mirror or the registry itself, and what we have learned of it since we opened it. */
#pragma once

#include "oci/challenge.h"
#include "registry/credentials.h"
#include "registry/hosts.h"
#include "registry/transfer.h"

struct place {
	struct engine *engine;
	const struct host *host;
	const char *config_dir;
	struct url root; /* "https://registry.example/v2/" */
	bool maybe_http; /* it may turn out to speak no TLS */
	bool reached;    /* something answered: when it is away now, it may come back */
	char *ca;        /* the texts of host->cas */
	size_t ca_size;

	/* What auth.c knows. */
	enum challenge_scheme scheme; /* CHALLENGE_OTHER: nobody asked who we are */
	struct url realm;
	char *service;
	bool realm_trusted;
	bool refused; /* the realm gives those credentials no token */
	bool looked;  /* for credentials: not before they are asked for, since a helper may ask the user */
	struct credentials credentials;
	struct token *tokens;
};

/* Borrows all but credentials, which it takes: those to use instead of looking for some; or NULL. COR_INVALID for a CA that cannot be read. */
int place_init(struct place *place, struct engine *engine, const struct host *host, const char *config_dir,
	       struct credentials *credentials, struct cor_error *err);
void place_release(struct place *place);

/* The address of a target below /v2/. */
void place_url(const struct place *place, const char *target, struct url *ret);
/* How to speak TLS at an address that the place sent us to: its certificate authorities count there too; its client certificate is for itself alone, and so is that it is not verified. */
struct tls place_tls(const struct place *place, const struct url *url);
/* It answered. */
void place_reached(struct place *place, bool https);
/* Plain HTTP from here on. */
void place_use_http(struct place *place);
