/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the realm. Redirects are not followed here: no token server needs them, and what is sent is a password. */
#include "registry/token.h"

#include "base/clock.h"
#include "base/json.h"
#include "registry/failure.h"

#include <errno.h>

#define BODY_MAX       (64u << 10)
#define TOKEN_MAX      (32u << 10)
#define SECONDS        60 /* that a token lives if the server does not say */
#define SECONDS_MAX    3600
#define SECONDS_MARGIN 5
#define NS_PER_SECOND  UINT64_C(1000000000)
#define CLIENT_ID      "coracle"

bool token_valid(const struct token *token)
{
	return token->value && clock_monotonic_ns() < token->expires_ns;
}

void token_discard(struct token *token)
{
	if (token->value)
		explicit_bzero(token->value, strlen(token->value));
	free(token->value);
	token->value = NULL;
}

static void drop_form(struct token *token)
{
	if (token->form)
		explicit_bzero(token->form, strlen(token->form));
	free(token->form);
	token->form = NULL;
}

void token_free(struct token *token)
{
	token_discard(token);
	transfer_cancel(token->fetch);
	drop_form(token);
	while (token->waiters)
		auth_forget(token->waiters);
	free(token->scope);
	free(token->asked);
	buffer_release(&token->body);
	free(token);
}

static bool visible(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return *text;
}

int token_parse(const void *body, size_t size, char **ret_value, int64_t *ret_seconds, struct cor_error *err)
{
	_json_ json_t *document = NULL;
	const char *value = NULL;
	int64_t seconds = SECONDS;
	int r = json_parse_object(body, size, "the token server's answer", &document, err);

	if (r < 0)
		return r;
	if (json_get_string(document, "token", &value) < 0 ||
	    (str_empty(value) && json_get_string(document, "access_token", &value) < 0) || !value ||
	    !visible(value) || strlen(value) > TOKEN_MAX ||
	    json_get_int(document, "expires_in", &seconds) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the token server's answer holds no valid token");
	*ret_value = xstrdup(value);
	*ret_seconds = seconds <= 0 ? SECONDS : MIN(seconds, SECONDS_MAX);
	return 0;
}

/* The waiters may ask for the next thing at once, so the list is emptied first. */
static void tell(struct token *token, enum outcome outcome, const struct cor_error *reason)
{
	struct auth_waiter *waiter = token->waiters, *next;

	token->waiters = NULL;
	for (struct auth_waiter *w = waiter; w; w = w->next)
		w->token = NULL;
	for (; waiter; waiter = next) {
		next = waiter->next;
		waiter->next = NULL;
		waiter->ready(waiter->userdata, outcome, reason);
	}
}

static int data_arrived(void *userdata, const void *data, size_t size, struct cor_error *err)
{
	struct token *token = userdata;

	if (buffer_size(&token->body) + size > BODY_MAX)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the token server's answer does not end");
	buffer_append(&token->body, data, size);
	return 0;
}

static int take(struct token *token, const struct answer *answer, struct cor_error *err)
{
	_free_ char *realm = url_place(&token->place->realm);
	const void *body = buffer_size(&token->body) ? buffer_bytes(&token->body) : (const void *)"";
	size_t size = buffer_size(&token->body);
	int64_t seconds;
	int r;

	token->place->refused = answer->status == 401 || answer->status == 403;
	if (answer->status != 200) {
		r = failure_of_answer(answer, body, size, token->place->host->domain, auth_user(token->place),
				      "its token server is not there", err);
		return cor_context(err, r, "token from %s", realm);
	}
	r = token_parse(body, size, &token->value, &seconds, err);
	if (r < 0)
		return cor_context(err, r, "token from %s", realm);
	token->expires_ns =
		clock_monotonic_ns() + (uint64_t)MAX(seconds - SECONDS_MARGIN, INT64_C(1)) * NS_PER_SECOND;
	return 0;
}

static void fetched(void *userdata, enum outcome outcome, const struct answer *answer,
		    const struct cor_error *reason)
{
	struct token *token = userdata;
	struct cor_error error = *reason;

	token->fetch = NULL;
	if (outcome == OUTCOME_ANSWERED && take(token, answer, &error) < 0)
		outcome = answer->status >= 500 || answer->status == 429 ? OUTCOME_BROKEN : OUTCOME_FAILED;
	else if (outcome == OUTCOME_NOT_TLS || outcome == OUTCOME_UNREACHABLE)
		outcome = OUTCOME_BROKEN;
	buffer_clear(&token->body);
	drop_form(token);
	tell(token, outcome, &error);
}

/* Whether one of the scopes is for what this one is for, whatever the actions: "repository:a/b:pull". */
static bool names_same(const struct strv *wanted, const char *scope)
{
	const char *colon = strrchr(scope, ':'), *word;
	size_t size = colon ? (size_t)(colon + 1 - scope) : strlen(scope) + 1;

	strv_foreach (wanted, i, word)
		if (strncmp(word, scope, size) == 0)
			return true;
	return false;
}

/* Our own scope, and what the registry asked for beyond it: some have other names for a repository inside than outside. */
static struct strv scopes(const struct token *token)
{
	_strv_ struct strv words = strv_split(token->scope, ' ');
	struct strv wanted = {0};
	const char *word;

	strv_foreach (&words, i, word)
		if (*word)
			strv_add(&wanted, word);
	if (token->asked) {
		_strv_ struct strv more = strv_split(token->asked, ' ');

		strv_foreach (&more, i, word)
			if (*word && !names_same(&wanted, word))
				strv_add(&wanted, word);
	}
	return wanted;
}

/* One parameter each in a query. */
static void add_scopes(const struct token *token, struct url *url)
{
	_strv_ struct strv wanted = scopes(token);
	const char *word;

	strv_foreach (&wanted, i, word)
		url_add_query(url, "scope", word);
}

/* The form of the OAuth2 grant is written as if it were a query. */
static char *grant_form(const struct token *token)
{
	struct url form = {.target = xstrdup("")};
	_strv_ struct strv wanted = scopes(token);
	_free_ char *joined = strv_join(&wanted, " ");
	char *text;

	url_add_query(&form, "grant_type", "refresh_token");
	url_add_query(&form, "refresh_token", token->place->credentials.identity_token);
	url_add_query(&form, "client_id", CLIENT_ID);
	if (token->place->service)
		url_add_query(&form, "service", token->place->service);
	if (wanted.count > 0)
		url_add_query(&form, "scope", joined);
	text = xstrdup(form.target + 1);
	explicit_bzero(form.target, strlen(form.target));
	url_release(&form);
	return text;
}

void token_fetch(struct token *token)
{
	struct place *place = token->place;
	const struct limits *limits = &place->engine->limits;
	const struct credentials *known = place->realm_trusted ? &place->credentials : NULL;
	_strv_ struct strv headers = {0};
	_url_ struct url url = {0};
	struct transfer_request request = {
		.method = "GET",
		.url = &url,
		.headers = &headers,
		.fd = -1,
		.connect_ms = limits->connect_ms,
		.stall_s = limits->stall_s,
		.total_ms = limits->small_ms,
		.on_data = data_arrived,
		.on_end = fetched,
		.userdata = token,
	};

	url_copy(&place->realm, &url);
	strv_add(&headers, "Accept: application/json");
	if (known && known->identity_token) {
		token->form = grant_form(token);
		request.method = "POST";
		request.body = token->form;
		request.body_size = strlen(token->form);
		strv_add(&headers, "Content-Type: application/x-www-form-urlencoded");
	} else {
		if (place->service)
			url_add_query(&url, "service", place->service);
		add_scopes(token, &url);
		if (known && known->user && known->password)
			strv_take(&headers, auth_basic_line(known));
	}
	request.tls = place_tls(place, &url);
	token->fetch = transfer_start(place->engine, &request);
}
