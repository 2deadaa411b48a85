/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets pass through here: what held one is overwritten before it is given back. */
#include "registry/auth_file.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "oci/reference.h"
#include "registry/config_file.h"
#include "registry/credential_helper.h"
#include "registry/hosts.h"

#include <errno.h>
#include <openssl/evp.h>

#define HUB_DOMAIN "docker.io"
#define HUB_KEY    "https://index.docker.io/v1/"
#define BASE64     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static void wipe_strings(const json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(value))
		explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
	json_array_foreach (value, i, item)
		wipe_strings(item);
	json_object_foreach ((json_t *)(uintptr_t)value, key, item)
		wipe_strings(item);
}

void auth_file_free(json_t *document)
{
	wipe_strings(document);
	json_decref(document);
}

static void wipe_text(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

/* ---- files ---- */

char *auth_file_own(const char *config_dir)
{
	_free_ char *folder = config_folder(config_dir);

	return folder ? str_format("%s/auth.json", folder) : NULL;
}

char *auth_file_docker(void)
{
	const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (!str_empty(folder))
		return str_format("%s/config.json", folder);
	return str_empty(home) ? NULL : str_format("%s/.docker/config.json", home);
}

int auth_file_read(const char *path, bool strict, json_t **ret, struct cor_error *err)
{
	_free_ char *text = NULL;
	size_t size = 0;
	int r = config_file_read(path, strict, &text, &size, err);

	if (r < 0)
		return r;
	if (!text) {
		*ret = NULL;
		return 0;
	}
	r = auth_file_parse(text, size, path, ret, err);
	explicit_bzero(text, size);
	return r;
}

int auth_file_write(const char *path, const json_t *document, struct cor_error *err)
{
	_cleanup_(wipe_text) char *text = json_dumps(document, JSON_INDENT(2));
	int r;

	if (!text)
		return cor_fail(err, COR_INTERNAL, EINVAL, "write '%s': the document is not valid", path);
	r = file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600);
	return r < 0 ? cor_fail_errno(err, r, "write '%s'", path) : 0;
}

/* ---- documents ---- */

static int malformed(struct cor_error *err, const char *path, const char *member)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "'%s': '%.100s' is malformed", path, member);
}

static int check_entry(const json_t *entry, const char *path, const char *key, struct cor_error *err)
{
	static const char *const members[] = {"auth", "username", "password", "identitytoken"};

	if (!json_is_object(entry))
		return malformed(err, path, key);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *value = NULL;

		if (json_get_string(entry, members[i], &value) < 0)
			return malformed(err, path, key);
	}
	return 0;
}

static int check_helper(const json_t *name, const char *path, const char *key, struct cor_error *err)
{
	if (!json_is_string(name) || strlen(json_string_value(name)) != json_string_length(name))
		return malformed(err, path, key);
	if (*json_string_value(name) && !credential_helper_valid(json_string_value(name)))
		return cor_fail(err, COR_CORRUPT, EINVAL, "'%s': '%.100s' names no credential helper", path,
				key);
	return 0;
}

static int check_document(json_t *document, const char *path, struct cor_error *err)
{
	json_t *auths = NULL, *helpers = NULL, *store = json_object_get(document, "credsStore"), *value;
	const char *key;
	int r = 0;

	if (json_get_object(document, "auths", &auths) < 0)
		return malformed(err, path, "auths");
	if (json_get_object(document, "credHelpers", &helpers) < 0)
		return malformed(err, path, "credHelpers");
	json_object_foreach (auths, key, value) {
		r = check_entry(value, path, key, err);
		if (r < 0)
			return r;
	}
	json_object_foreach (helpers, key, value) {
		r = check_helper(value, path, key, err);
		if (r < 0)
			return r;
	}
	return store && !json_is_null(store) ? check_helper(store, path, "credsStore", err) : 0;
}

int auth_file_parse(const char *text, size_t size, const char *path, json_t **ret, struct cor_error *err)
{
	json_error_t error;
	_auth_file_ json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	int r;

	/* The parser's own words would show what is near the mistake, which may be a password. */
	if (!document)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "'%s': line %d is no JSON", path, error.line);
	if (!json_is_object(document))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "'%s' holds no JSON object", path);
	r = check_document(document, path, err);
	if (r == 0)
		*ret = steal_ptr(document);
	return r;
}

/* ---- keys ---- */

char *auth_key(const char *domain)
{
	return xstrdup(str_equal(domain, HUB_DOMAIN) ? HUB_KEY : domain);
}

char *auth_key_domain(const char *key)
{
	static const char *const paths[] = {"", "/", "/v1", "/v1/", "/v2", "/v2/"};
	static const char *const hub[] = {"index.docker.io", "registry-1.docker.io"};
	const char *host = str_after(key, "https://") ?: str_after(key, "http://") ?: key;
	size_t size = strcspn(host, "/");
	_free_ char *domain = xstrndup(host, size);
	bool whole = false;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		whole |= str_equal(host + size, paths[i]);
	if (!whole || !reference_domain_valid(domain))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(hub); i++)
		if (str_equal(domain, hub[i]))
			return xstrdup(HUB_DOMAIN);
	return steal_ptr(domain);
}

/* The value whose key means the domain; one that is spelled as docker spells it goes before all others. */
static json_t *find_key(json_t *object, const char *domain, const char **ret_key)
{
	_free_ char *usual = auth_key(domain);
	json_t *value = json_object_get(object, usual);
	const char *key;

	if (value) {
		*ret_key = json_object_iter_key(json_object_iter_at(object, usual));
		return value;
	}
	json_object_foreach (object, key, value) {
		_free_ char *meant = auth_key_domain(key);

		if (str_equal(meant, domain)) {
			*ret_key = key;
			return value;
		}
	}
	return NULL;
}

const char *auth_file_helper(const json_t *document, const char *domain)
{
	const char *key,
		*name = json_string_value(find_key(json_object_get(document, "credHelpers"), domain, &key));

	if (!name)
		name = json_string_value(json_object_get(document, "credsStore"));
	return str_empty(name) ? NULL : name;
}

/* ---- entries ---- */

/* Into size bytes that the caller wipes. */
static int base64_decode(const char *text, unsigned char *out, int *ret_size)
{
	EVP_ENCODE_CTX *ctx;
	int n = 0, tail = 0, r;

	/* OpenSSL stops at a '-' and takes what came before for the whole. */
	if (strspn(text, BASE64) != strlen(text))
		return -EINVAL;
	ctx = EVP_ENCODE_CTX_new();
	if (!ctx)
		return -ENOMEM;
	EVP_DecodeInit(ctx);
	r = EVP_DecodeUpdate(ctx, out, &n, (const unsigned char *)text, (int)strlen(text));
	if (r >= 0)
		r = EVP_DecodeFinal(ctx, out + n, &tail);
	EVP_ENCODE_CTX_free(ctx);
	*ret_size = n + tail;
	return r < 0 ? -EINVAL : 0;
}

/* "user:password" in base64. Docker pads passwords with NULs at times; one inside is refused. */
static int decode_auth(const char *auth, struct credentials *ret)
{
	size_t room = strlen(auth) + 1;
	_free_ char *plain = xcalloc(room, 1);
	int size = 0, r = base64_decode(auth, (unsigned char *)plain, &size);
	char *colon;

	while (size > 0 && !plain[size - 1])
		size--;
	colon = strchr(plain, ':');
	if (r == 0 && (!colon || colon == plain || strlen(plain) != (size_t)size))
		r = -EINVAL;
	if (r == 0) {
		ret->user = xstrndup(plain, (size_t)(colon - plain));
		ret->password = xstrdup(colon + 1);
	}
	explicit_bzero(plain, room);
	return r;
}

int auth_file_find(const json_t *document, const char *path, const char *domain, struct credentials *ret,
		   struct cor_error *err)
{
	const char *auth = NULL, *user = NULL, *password = NULL, *token = NULL, *key = NULL;
	const json_t *entry = find_key(json_object_get(document, "auths"), domain, &key);

	if (!entry)
		return 0;
	json_get_string(entry, "identitytoken", &token);
	json_get_string(entry, "auth", &auth);
	json_get_string(entry, "username", &user);
	json_get_string(entry, "password", &password);
	if (!str_empty(token)) {
		ret->identity_token = xstrdup(token);
	} else if (!str_empty(auth)) {
		if (decode_auth(auth, ret) < 0)
			return cor_fail(err, COR_CORRUPT, EBADMSG,
					"'%s': 'auth' of '%.100s' is not user:password in base64", path, key);
	} else if (!str_empty(user) && password) {
		ret->user = xstrdup(user);
		ret->password = xstrdup(password);
	}
	return 0;
}

static json_t *new_entry(const struct credentials *credentials)
{
	json_t *entry = json_object();
	_cleanup_(wipe_text) char *plain = NULL, *encoded = NULL;

	if (credentials->identity_token) {
		json_object_set_new(entry, "identitytoken", json_string(credentials->identity_token));
	} else if (credentials->user) {
		plain = str_format("%s:%s", credentials->user, credentials->password);
		encoded = xmalloc((strlen(plain) + 2) / 3 * 4 + 1);
		EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)plain, (int)strlen(plain));
		json_object_set_new(entry, "auth", json_string(encoded));
	}
	return entry;
}

bool auth_file_set(json_t *document, const char *domain, const struct credentials *credentials)
{
	json_t *auths = json_object_get(document, "auths"), *old;
	const char *key;
	bool found = false;

	while ((old = find_key(auths, domain, &key))) {
		wipe_strings(old);
		json_object_del(auths, key);
		found = true;
	}
	if (credentials) {
		_free_ char *usual = auth_key(domain);

		if (!json_is_object(auths)) {
			auths = json_object();
			json_object_set_new(document, "auths", auths);
		}
		json_object_set_new(auths, usual, new_entry(credentials));
	}
	return found;
}
