/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of errors. What comes from the other side is cut and cleaned before it reaches a terminal. */
#include "registry/failure.h"

#include "base/json.h"
#include "base/str.h"
#include "registry/hosts.h"

#include <errno.h>

#define MESSAGE_MAX 200

bool failure_may_pass(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return true;
	default:
		return false;
	}
}

static int untrusted(const char *place, const char *detail, const char *config_dir, struct cor_error *err)
{
	_free_ char *folder = config_folder(config_dir);

	return cor_fail(err, COR_PERMISSION, EACCES,
			"the certificate of %.100s is not trusted: %.120s; give its CA in "
			"%.100s/certs.d/%.100s/ca.crt",
			place, detail, folder ?: "/etc/coracle", place);
}

int failure_of_network(CURLcode code, const char *place, const char *detail, const char *config_dir,
		       struct cor_error *err)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
		return cor_fail(err, COR_UNAVAILABLE, EHOSTUNREACH, "the proxy is not found: %.200s", detail);
	case CURLE_COULDNT_RESOLVE_HOST:
		return cor_fail(err, COR_UNAVAILABLE, EHOSTUNREACH, "cannot find the host '%.200s'", place);
	case CURLE_COULDNT_CONNECT:
		return cor_fail(err, COR_UNAVAILABLE, ECONNREFUSED, "cannot connect to %.120s: %.200s", place,
				detail);
	case CURLE_OPERATION_TIMEDOUT:
		return cor_fail(err, COR_TIMEOUT, ETIMEDOUT, "%.100s takes too long: %.200s", place, detail);
	case CURLE_PEER_FAILED_VERIFICATION:
		return untrusted(place, detail, config_dir, err);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return cor_fail(err, COR_INVALID, EINVAL, "certificates for %.100s: %.200s", place, detail);
	case CURLE_SSL_CONNECT_ERROR:
		return cor_fail(err, COR_UNAVAILABLE, EPROTO,
				"%.100s does not speak TLS as it should: %.200s; if it speaks plain HTTP: "
				"--scheme http",
				place, detail);
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "the connection to %.100s broke: %.200s",
				place, detail);
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%.100s answers what is no HTTP: %.200s", place,
				detail);
	default:
		return cor_fail(err, COR_UNAVAILABLE, EIO, "%.100s: %.200s", place, detail);
	}
}

/* The first of the errors, or what stands at the top. */
static const char *find_message(const json_t *document)
{
	static const char *const keys[] = {"message", "details", "error_description",
					   "detail",  "code",    "error"};
	const json_t *object = json_array_get(json_object_get(document, "errors"), 0);
	const char *text;

	if (!json_is_object(object))
		object = document;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		text = json_string_value(json_object_get(object, keys[i]));
		if (!str_empty(text))
			return text;
	}
	return NULL;
}

static char *clean(const char *text, size_t size)
{
	char *out;

	while (size > 0 && (unsigned char)text[size - 1] <= ' ')
		size--;
	if (size == 0)
		return NULL;
	out = xstrndup(text, MIN(size, (size_t)MESSAGE_MAX));
	for (char *p = out; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = *p == '\n' || *p == '\t' ? ' ' : '?';
	return out;
}

char *failure_message(const void *body, size_t size)
{
	_json_ json_t *document = json_loadb(body, size, 0, NULL);
	const char *text = document ? find_message(document) : NULL;

	return text ? clean(text, strlen(text)) : NULL;
}

static int refused(const struct answer *answer, const char *said, const char *domain, const char *user,
		   struct cor_error *err)
{
	if (!user)
		return cor_fail(
			err, COR_PERMISSION, EACCES,
			"%d from %.100s%s: it may not be there, or need a login: 'coracle login %.100s'",
			answer->status, domain, said, domain);
	return cor_fail(err, COR_PERMISSION, EACCES,
			"%d from %.100s%s: '%.60s' may not do that, or the password is not right: 'coracle "
			"login %.100s'",
			answer->status, domain, said, user, domain);
}

/* Some say what is wrong in plain text, and some of them do not say that it is. */
static bool is_plain(const struct answer *answer, const char *body, size_t size)
{
	if (!answer->content_type)
		return size > 0 && *body != '{' && *body != '<';
	return strncasecmp(answer->content_type, "text/plain", 10) == 0;
}

int failure_of_answer(const struct answer *answer, const void *body, size_t size, const char *domain,
		      const char *user, const char *missing, struct cor_error *err)
{
	_free_ char *message = is_plain(answer, body, size) ? clean(body, size) : failure_message(body, size);
	_free_ char *said = message ? str_format(" (%s)", message) : xstrdup("");

	switch (answer->status) {
	case 401:
	case 403:
		return refused(answer, said, domain, user, err);
	case 404:
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "404 from %.100s%s: %s", domain, said, missing);
	case 429:
		return cor_fail(err, COR_UNAVAILABLE, EBUSY, "429 from %.100s%s: too many requests%s%.40s",
				domain, said, answer->retry_after ? "; it may be asked again after: " : "",
				answer->retry_after ? answer->retry_after : "");
	default:
		return cor_fail(err, answer->status >= 500 ? COR_UNAVAILABLE : COR_CORRUPT, EPROTO,
				"%d from %.100s%s", answer->status, domain, said);
	}
}
