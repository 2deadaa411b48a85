/* SPDX-License-Identifier: Apache-2.0 */
/* Who we say we are (RFC 7617, RFC 6750, and the token authentication of the distribution project, with OAuth2 for identity tokens). Nothing is said before the registry asks; then
 * credentials are looked for, and go to the registry itself, or to the realm that it names if url_realm_trusted says so: else a token is asked for without them. Tokens are
 * kept for each scope until they expire. Only challenges of the registry's own origin are answered, never those of a host that it redirected us to. */
#pragma once

#include "registry/place.h"

/* Somebody who waits for a token. */
struct auth_waiter {
	struct auth_waiter *next;
	struct token *token; /* NULL: does not wait */
	/* outcome: OUTCOME_ANSWERED: there is a token now; else why there is none. */
	void (*ready)(void *userdata, enum outcome outcome, const struct cor_error *reason);
	void *userdata;
};

/* What comes of the question whether a request can be made. */
enum auth_result {
	AUTH_READY,
	AUTH_PENDING, /* waiter->ready will be called */
	AUTH_NOTHING, /* there is nothing (more) to show: the answer stands */
};

/* scope: "repository:NAME:pull" and more of the kind with a space between; "" without. */
int auth_prepare(struct place *place, const char *scope, struct auth_waiter *waiter, struct cor_error *err);
/* answer is a 401 to a request that was sent with what auth_line gave (sent: not NULL). Negative for a challenge that makes no sense. */
int auth_challenged(struct place *place, const char *scope, const struct answer *answer, bool sent,
		    struct auth_waiter *waiter, struct cor_error *err);
void auth_forget(struct auth_waiter *waiter);

/* The header "Authorization: …" for a request to the place itself, or NULL. The caller's, who wipes it. */
char *auth_line(const struct place *place, const char *scope);
/* Whom the registry knows us as, for errors; NULL: nobody. */
const char *auth_user(const struct place *place);
void auth_release(struct place *place);
