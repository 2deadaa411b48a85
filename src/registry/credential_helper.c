/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of docker-credential-helpers. What a helper says when it fails goes to its standard output as often as to its standard error. */
#include "registry/credential_helper.h"

#include "base/json.h"
#include "base/str.h"
#include "registry/auth_file.h"
#include "registry/helper_process.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define NOT_FOUND  "credentials not found in native keychain" /* the protocol's words */
#define TOKEN_USER "<token>"

bool credential_helper_valid(const char *name)
{
	return str_made_of(name, 64, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") &&
	       isalnum((unsigned char)name[0]);
}

static bool shows_beginning(const char *said, const char *secret)
{
	char beginning[9];

	snprintf(beginning, sizeof(beginning), "%s", secret);
	return *beginning && strstr(said, beginning);
}

/* Fills *ret also when the helper says that it has nothing: *ret_none. */
static int run(const char *name, const char *verb, const char *input, const char *secret,
	       struct helper_result *ret, bool *ret_none, struct cor_error *err)
{
	_free_ char *program = str_format("docker-credential-%s", name);
	char said[HELPER_COMPLAINT_SIZE];
	int r = helper_run(program, verb, input, HELPER_TIMEOUT_MS, ret, err);

	*ret_none = false;
	if (r < 0 || ret->status == 0)
		return r;
	helper_first_line(ret->output, ret->size, said);
	if (str_equal(said, NOT_FOUND)) {
		*ret_none = true;
		return 0;
	}
	if (!*said)
		memcpy(said, ret->complaint, sizeof(said));
	/* An answer, or an echo of what it was given: the line may be cut in the middle of that. */
	if (strchr(said, '{') || (secret && shows_beginning(said, secret)))
		*said = '\0';
	return cor_fail(err, COR_UNAVAILABLE, EIO, "'%s %s' failed%s%s", program, verb, *said ? ": " : "",
			*said ? said : "");
}

/* The answer may hold a secret, which the parser's own errors would show. */
static int parse_answer(const char *name, const char *text, size_t size, json_t **ret, struct cor_error *err)
{
	_auth_file_ json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(document))
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"'docker-credential-%s' answered with no JSON object", name);
	*ret = steal_ptr(document);
	return 0;
}

int credential_helper_answer(const char *name, const char *text, size_t size, struct credentials *ret,
			     struct cor_error *err)
{
	_auth_file_ json_t *document = NULL;
	const char *user = NULL, *secret = NULL;
	int r = parse_answer(name, text, size, &document, err);

	if (r < 0)
		return r;
	if (json_get_string(document, "Username", &user) < 0 ||
	    json_get_string(document, "Secret", &secret) < 0)
		return cor_fail(
			err, COR_CORRUPT, EBADMSG,
			"'docker-credential-%s' answered with 'Username' or 'Secret' that are no strings",
			name);
	if (str_empty(user) || !secret)
		return 0;
	if (str_equal(user, TOKEN_USER)) {
		ret->identity_token = xstrdup(secret);
	} else {
		ret->user = xstrdup(user);
		ret->password = xstrdup(secret);
	}
	return 0;
}

int credential_helper_get(const char *name, const char *server, struct credentials *ret,
			  struct cor_error *err)
{
	_helper_result_ struct helper_result result = {0};
	bool none;
	int r = run(name, "get", server, NULL, &result, &none, err);

	if (r < 0 || none)
		return r;
	return credential_helper_answer(name, result.output, result.size, ret, err);
}

int credential_helper_store(const char *name, const char *server, const struct credentials *credentials,
			    struct cor_error *err)
{
	const char *secret = credentials->identity_token ?: credentials->password;
	_auth_file_ json_t *document =
		json_pack("{s:s, s:s, s:s}", "ServerURL", server, "Username",
			  credentials->identity_token ? TOKEN_USER : credentials->user, "Secret", secret);
	_helper_result_ struct helper_result result = {0};
	_free_ char *input = document ? json_dumps(document, JSON_COMPACT) : NULL;
	bool none;
	int r;

	if (!input)
		return cor_fail(err, COR_INVALID, EILSEQ, "user or password are not UTF-8");
	r = run(name, "store", input, secret, &result, &none, err);
	explicit_bzero(input, strlen(input));
	if (r == 0 && none)
		return cor_fail(err, COR_UNAVAILABLE, EIO, "'docker-credential-%s store' failed", name);
	return r;
}

int credential_helper_erase(const char *name, const char *server, struct cor_error *err)
{
	_helper_result_ struct helper_result result = {0};
	bool none;

	return run(name, "erase", server, NULL, &result, &none, err);
}

int credential_helper_list(const char *name, json_t **ret, struct cor_error *err)
{
	_helper_result_ struct helper_result result = {0};
	_auth_file_ json_t *document = NULL;
	const char *key;
	json_t *user;
	bool none;
	int r = run(name, "list", "", NULL, &result, &none, err);

	if (r == 0)
		r = none ? parse_answer(name, "{}", 2, &document, err)
			 : parse_answer(name, result.output, result.size, &document, err);
	if (r < 0)
		return r;
	json_object_foreach (document, key, user)
		if (!json_is_string(user))
			return cor_fail(err, COR_CORRUPT, EBADMSG,
					"'docker-credential-%s list' answered with a user that is no string",
					name);
	*ret = steal_ptr(document);
	return 0;
}
