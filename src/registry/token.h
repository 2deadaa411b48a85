/* SPDX-License-Identifier: Apache-2.0 */
/* A token for one scope, and how it comes from the realm: GET with the user's password, POST of the OAuth2 grant with an identity token, or GET as nobody. */
#pragma once

#include "base/buffer.h"
#include "registry/auth.h"

struct token {
	struct token *next;
	struct place *place;
	char *scope;
	char *asked; /* the scope that the registry's challenge named, or NULL */
	char *value; /* NULL: there is none */
	uint64_t expires_ns;
	struct transfer *fetch; /* NULL: none is under way */
	struct buffer body;
	char *form; /* that the fetch sends, or NULL */
	struct auth_waiter *waiters;
};

bool token_valid(const struct token *token);
void token_discard(struct token *token);
/* Tells all waiters when it is done. The place's credentials were looked for if they may be used. */
void token_fetch(struct token *token);
void token_free(struct token *token);

/* What a token server answers: {"token" or "access_token", "expires_in"}. The token is of visible ASCII. COR_CORRUPT. */
int token_parse(const void *body, size_t size, char **ret_value, int64_t *ret_seconds, struct cor_error *err);

/* auth.c */
char *auth_basic_line(const struct credentials *credentials);
