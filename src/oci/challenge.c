/* SPDX-License-Identifier: Apache-2.0 */
/* A header is a list of challenges, and a challenge has a list of parameters, both with commas: what follows a comma is a parameter of the challenge before where a "="
 * comes behind its first word, and the scheme of a new challenge where not. A word behind a scheme is a token68 where a comma or the end comes behind it. */
#include "oci/challenge.h"

#include "base/str.h"

#include <ctype.h>
#include <errno.h>

#define CHALLENGES_MAX 16
#define PARAMETERS_MAX 32 /* of one challenge */

#define ALNUM   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define TOKEN   ALNUM "!#$%&'*+-.^_`|~"
#define TOKEN68 ALNUM "-._~+/"
#define BLANKS  " \t"

struct parser {
	const char *p;
	struct challenge best, now; /* now: what the parameters belong to */
	bool have_best, have_now;
	bool may_have_parameters;
	struct strv names; /* of the parameters of now, in lower case */
	size_t challenges;
	struct cor_error *err;
};

static int bad(struct parser *parser, const char *reason)
{
	return cor_fail(parser->err, COR_CORRUPT, EBADMSG, "the registry's challenge is malformed: %s",
			reason);
}

static void skip_blanks(struct parser *parser)
{
	parser->p += strspn(parser->p, BLANKS);
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

/* scope-token and the values of error (RFC 6750, section 3): no quotes and no backslashes. */
static bool printable_unquoted(const char *s)
{
	return printable(s) && !strpbrk(s, "\"\\");
}

/* "https://host[:port][/path][?query]": what a token may be asked for at. */
static bool token_url_valid(const char *url)
{
	const char *rest = str_after(url, "https://") ?: str_after(url, "http://");
	size_t authority = rest ? strcspn(rest, "/?#") : 0;

	return authority && rest[0] != ':' && !memchr(rest, '@', authority) && printable_unquoted(url) &&
	       !strpbrk(url, " #<>^`{|}");
}

static int check_bearer(struct parser *parser)
{
	struct challenge *c = &parser->now;

	if (!c->realm)
		return bad(parser, "Bearer without a realm, which would say where tokens are given");
	if (!token_url_valid(c->realm))
		return bad(parser, "the realm of Bearer is no http or https URL");
	if (c->service && !printable(c->service))
		return bad(parser, "the service has control characters");
	if (c->scope && !printable_unquoted(c->scope))
		return bad(parser, "the scope has characters that a scope must not have");
	return 0;
}

/* What is complete is kept if it is better than what there was. */
static int finish_challenge(struct parser *parser)
{
	struct challenge *c = &parser->now;
	int r = 0;

	if (!parser->have_now)
		return 0;
	if (c->error && !printable_unquoted(c->error))
		return bad(parser, "the error has characters that an error must not have");
	if (c->scheme == CHALLENGE_BEARER)
		r = check_bearer(parser);
	else if (c->scheme == CHALLENGE_BASIC && !c->realm)
		r = bad(parser, "Basic without a realm");
	else if (c->scheme == CHALLENGE_OTHER)
		challenge_release(c);
	if (r < 0)
		return r;
	if (!parser->have_best || c->scheme > parser->best.scheme) {
		challenge_release(&parser->best);
		parser->best = *c;
		*c = (struct challenge){0};
		parser->have_best = true;
	}
	challenge_release(c);
	strv_release(&parser->names);
	parser->have_now = false;
	return 0;
}

/* "abc==" with a comma or the end behind it, which is then left at. */
static bool skip_token68(struct parser *parser)
{
	size_t n = strspn(parser->p, TOKEN68);
	const char *end = parser->p + n;

	if (n == 0)
		return false;
	end += strspn(end, "=");
	end += strspn(end, BLANKS);
	if (*end && *end != ',')
		return false;
	parser->p = end;
	return true;
}

static int begin_challenge(struct parser *parser, const char *scheme)
{
	int r = finish_challenge(parser);

	if (r < 0)
		return r;
	if (parser->challenges++ == CHALLENGES_MAX)
		return bad(parser, "too many challenges");
	parser->have_now = true;
	if (strcasecmp(scheme, "bearer") == 0)
		parser->now.scheme = CHALLENGE_BEARER;
	else if (strcasecmp(scheme, "basic") == 0)
		parser->now.scheme = CHALLENGE_BASIC;
	parser->may_have_parameters = *parser->p == ' ';
	skip_blanks(parser);
	if (parser->may_have_parameters && skip_token68(parser))
		parser->may_have_parameters = false;
	return 0;
}

/* RFC 9110, section 5.6.4. */
static int parse_quoted(struct parser *parser, char **ret)
{
	_free_ char *value = xmalloc(strlen(parser->p));
	size_t n = 0;

	for (parser->p++; *parser->p != '"'; parser->p++) {
		if (*parser->p == '\\')
			parser->p++;
		if (!*parser->p)
			return bad(parser, "a quote is not closed");
		value[n++] = *parser->p;
	}
	parser->p++;
	value[n] = '\0';
	*ret = steal_ptr(value);
	return 0;
}

static int parse_value(struct parser *parser, char **ret)
{
	size_t n;

	if (*parser->p == '"')
		return parse_quoted(parser, ret);
	n = strspn(parser->p, TOKEN);
	if (n == 0)
		return bad(parser, "a parameter has no value");
	*ret = xstrndup(parser->p, n);
	parser->p += n;
	return 0;
}

static char **member_of(struct challenge *c, const char *name)
{
	if (str_equal(name, "realm"))
		return &c->realm;
	if (str_equal(name, "service"))
		return &c->service;
	if (str_equal(name, "scope"))
		return &c->scope;
	return str_equal(name, "error") ? &c->error : NULL;
}

/* At the "=" behind name. */
static int parse_parameter(struct parser *parser, char *name)
{
	_free_ char *value = NULL;
	char **member;
	int r;

	if (!parser->have_now || !parser->may_have_parameters)
		return bad(parser, "a parameter belongs to no scheme");
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strv_contains(&parser->names, name))
		return bad(parser, "a parameter is there twice");
	if (parser->names.count == PARAMETERS_MAX)
		return bad(parser, "too many parameters");
	strv_add(&parser->names, name);
	parser->p++;
	skip_blanks(parser);
	r = parse_value(parser, &value);
	if (r < 0)
		return r;
	member = member_of(&parser->now, name);
	/* An empty one says as little as none, but for the realm, which Basic must have. */
	if (member && (*value || member == &parser->now.realm))
		*member = steal_ptr(value);
	return 0;
}

/* A scheme with what stands before the next comma, or a parameter. */
static int parse_element(struct parser *parser)
{
	size_t n = strspn(parser->p, TOKEN);
	_free_ char *word = xstrndup(parser->p, n);
	int r;

	if (n == 0)
		return bad(parser, "a scheme or a parameter has no name");
	parser->p += n;
	if (parser->p[strspn(parser->p, BLANKS)] != '=') {
		r = begin_challenge(parser, word);
		if (r < 0 || !*parser->p || *parser->p == ',')
			return r;
		n = strspn(parser->p, TOKEN);
		if (!parser->may_have_parameters || n == 0)
			return bad(parser, "a scheme is followed by what is no parameter");
		free(word);
		word = xstrndup(parser->p, n);
		parser->p += n;
		if (parser->p[strspn(parser->p, BLANKS)] != '=')
			return bad(parser, "a parameter has no value");
	}
	skip_blanks(parser);
	r = parse_parameter(parser, word);
	if (r < 0)
		return r;
	skip_blanks(parser);
	return *parser->p && *parser->p != ',' ? bad(parser, "no comma between two parameters") : 0;
}

static int parse_list(struct parser *parser)
{
	for (;;) {
		int r;

		/* Empty elements are to be borne (RFC 9110, section 5.6.1.2). */
		parser->p += strspn(parser->p, BLANKS ",");
		if (!*parser->p)
			break;
		r = parse_element(parser);
		if (r < 0)
			return r;
	}
	if (parser->challenges == 0)
		return bad(parser, "it is empty");
	return finish_challenge(parser);
}

int challenge_parse(const char *header, struct challenge *ret, struct cor_error *err)
{
	struct parser parser = {.p = header, .err = err};
	int r = 0;

	if (strlen(header) > CHALLENGE_SIZE_MAX)
		return bad(&parser, "it is too long");
	for (const char *c = header; *c; c++)
		if (iscntrl((unsigned char)*c) && *c != '\t')
			return bad(&parser, "it has control characters");
	r = parse_list(&parser);
	if (r == 0) {
		*ret = parser.best;
		parser.best = (struct challenge){0};
	}
	challenge_release(&parser.best);
	challenge_release(&parser.now);
	strv_release(&parser.names);
	return r;
}

void challenge_release(struct challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	free(challenge->error);
	*challenge = (struct challenge){0};
}
