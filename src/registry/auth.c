/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges and what answers them. Fetching the token itself is token.c. */
#include "registry/auth.h"

#include "base/clock.h"
#include "registry/token.h"

#include <errno.h>
#include <openssl/evp.h>

static int look_for_credentials(struct place *place, struct cor_error *err)
{
	int r;

	if (place->looked)
		return 0;
	r = credentials_find(place->config_dir, place->host->domain, &place->credentials, err);
	place->looked = r == 0;
	return r;
}

const char *auth_user(const struct place *place)
{
	if (place->scheme == CHALLENGE_OTHER || (place->scheme == CHALLENGE_BEARER && !place->realm_trusted))
		return NULL;
	if (place->credentials.identity_token)
		return place->credentials.user ? place->credentials.user : "<token>";
	return place->credentials.user;
}

static struct token *find_token(const struct place *place, const char *scope)
{
	struct token *token = place->tokens;

	while (token && !str_equal(token->scope, scope))
		token = token->next;
	return token;
}

static struct token *make_token(struct place *place, const char *scope)
{
	struct token *token = find_token(place, scope);

	if (token)
		return token;
	token = xcalloc(1, sizeof(*token));
	*token = (struct token){.next = place->tokens, .place = place, .scope = xstrdup(scope)};
	place->tokens = token;
	return token;
}

int auth_prepare(struct place *place, const char *scope, struct auth_waiter *waiter, struct cor_error *err)
{
	struct token *token;
	int r;

	if (place->scheme != CHALLENGE_BEARER)
		return AUTH_READY;
	token = make_token(place, scope);
	if (token_valid(token))
		return AUTH_READY;
	if (!token->fetch) {
		r = place->realm_trusted ? look_for_credentials(place, err) : 0;
		if (r < 0)
			return r;
		token_fetch(token);
	}
	waiter->token = token;
	waiter->next = token->waiters;
	token->waiters = waiter;
	return AUTH_PENDING;
}

/* The best of the challenges that can be read. What cannot be read counts only where nothing else is left. */
static int choose(const struct answer *answer, struct challenge *ret, struct cor_error *err)
{
	struct challenge best = {0};
	const char *header;
	int r = 0;

	strv_foreach (&answer->challenges, i, header) {
		struct challenge challenge = {0};

		if (challenge_parse(header, &challenge, err) < 0) {
			r = -EBADMSG;
			continue;
		}
		if (challenge.scheme > best.scheme) {
			challenge_release(&best);
			best = challenge;
		} else {
			challenge_release(&challenge);
		}
	}
	if (best.scheme == CHALLENGE_OTHER && r < 0)
		return cor_context(err, r, "what the registry asks for");
	*ret = best;
	return 0;
}

static int take_realm(struct place *place, const struct challenge *challenge, struct cor_error *err)
{
	_url_ struct url realm = {0};
	int r = url_parse(challenge->realm, &realm, err);

	if (r == 0)
		r = url_may_follow(&place->root, &realm, err);
	if (r < 0)
		return cor_context(err, r, "the registry's token server");
	url_release(&place->realm);
	place->realm = realm;
	realm = (struct url){0};
	place->realm_trusted = url_realm_trusted(&place->root, &place->realm);
	str_set(&place->service, challenge->service);
	return 0;
}

static int challenged_bearer(struct place *place, const char *scope, const struct challenge *challenge,
			     bool sent, struct auth_waiter *waiter, struct cor_error *err)
{
	int r = take_realm(place, challenge, err);
	struct token *token;

	if (r < 0)
		return r;
	place->scheme = CHALLENGE_BEARER;
	token = make_token(place, scope);
	if (sent) /* otherwise one that has come meanwhile, for somebody else who asked at the same time, will do */
		token_discard(token);
	str_set(&token->asked, challenge->scope);
	return auth_prepare(place, scope, waiter, err);
}

int auth_challenged(struct place *place, const char *scope, const struct answer *answer, bool sent,
		    struct auth_waiter *waiter, struct cor_error *err)
{
	_challenge_ struct challenge challenge = {0};
	int r = choose(answer, &challenge, err);

	if (r < 0)
		return r;
	if (challenge.scheme == CHALLENGE_BEARER)
		return challenged_bearer(place, scope, &challenge, sent, waiter, err);
	if (challenge.scheme != CHALLENGE_BASIC)
		return AUTH_NOTHING;
	if (sent && place->scheme == CHALLENGE_BASIC)
		return AUTH_NOTHING;
	r = look_for_credentials(place, err);
	if (r < 0)
		return r;
	place->scheme = CHALLENGE_BASIC;
	return place->credentials.user && place->credentials.password ? AUTH_READY : AUTH_NOTHING;
}

void auth_forget(struct auth_waiter *waiter)
{
	struct auth_waiter **p;

	if (!waiter->token)
		return;
	for (p = &waiter->token->waiters; *p != waiter; p = &(*p)->next)
		;
	*p = waiter->next;
	*waiter = (struct auth_waiter){.ready = waiter->ready, .userdata = waiter->userdata};
}

char *auth_basic_line(const struct credentials *credentials)
{
	_free_ char *plain = str_format("%s:%s", credentials->user, credentials->password);
	size_t size = strlen(plain);
	char *encoded = xmalloc(size / 3 * 4 + 5), *line;

	EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)plain, (int)size);
	line = str_format("Authorization: Basic %s", encoded);
	explicit_bzero(plain, size);
	explicit_bzero(encoded, strlen(encoded));
	free(encoded);
	return line;
}

char *auth_line(const struct place *place, const char *scope)
{
	const struct token *token;

	if (place->scheme == CHALLENGE_BASIC && place->credentials.user && place->credentials.password)
		return auth_basic_line(&place->credentials);
	token = place->scheme == CHALLENGE_BEARER ? find_token(place, scope) : NULL;
	return token && token_valid(token) ? str_format("Authorization: Bearer %s", token->value) : NULL;
}

void auth_release(struct place *place)
{
	struct token *token;

	while ((token = place->tokens)) {
		place->tokens = token->next;
		token_free(token);
	}
	url_release(&place->realm);
	free(place->service);
	credentials_release(&place->credentials);
}
