/* SPDX-License-Identifier: Apache-2.0 */
/* All registries that we have credentials for, each with those that would be used. */
#include "registry/credentials.h"

#include "base/json.h"
#include "base/str.h"
#include "registry/auth_file.h"
#include "registry/credential_helper.h"

#include <errno.h>

/* rows: {domain: row}. What came first is what would be used. */
static int add_row(json_t *rows, const char *domain, const char *user, const char *source,
		   struct cor_error *err)
{
	json_t *row;

	if (json_object_get(rows, domain))
		return 0;
	row = json_pack("{s:s, s:s, s:s}", "Registry", domain, "User", user, "Source", source);
	if (!row || json_object_set_new(rows, domain, row) < 0)
		return cor_fail(err, COR_INVALID, EILSEQ, "the user of '%s' in '%s' is not UTF-8", domain,
				source);
	return 0;
}

static int list_helper(const json_t *document, const char *path, bool own, const char *helper, json_t *rows,
		       struct cor_error *err)
{
	_free_ char *source = str_format("docker-credential-%s", helper);
	_json_ json_t *users = NULL;
	const char *key;
	json_t *user;
	struct cor_error reason = {0};
	int r = credential_helper_list(helper, &users, &reason);

	if (r == -ENOENT && !own)
		return 0; /* as credentials_find has it */
	if (r < 0 && err)
		*err = reason;
	if (r < 0)
		return cor_context(err, r, "see '%s'", path);
	json_object_foreach (users, key, user) {
		_free_ char *domain = auth_key_domain(key);

		if (!domain || !str_equal(auth_file_helper(document, domain), helper))
			continue;
		r = add_row(rows, domain, json_string_value(user), source, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list_helpers(const json_t *document, const char *path, bool own, json_t *rows,
			struct cor_error *err)
{
	const char *store = json_string_value(json_object_get(document, "credsStore")), *key;
	_strv_ struct strv helpers = {0};
	json_t *value;

	json_object_foreach (json_object_get(document, "credHelpers"), key, value)
		if (!str_empty(json_string_value(value)) &&
		    !strv_contains(&helpers, json_string_value(value)))
			strv_add(&helpers, json_string_value(value));
	if (!str_empty(store) && !strv_contains(&helpers, store))
		strv_add(&helpers, store);
	for (size_t i = 0; i < helpers.count; i++) {
		int r = list_helper(document, path, own, helpers.items[i], rows, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int list_entries(const json_t *document, const char *path, json_t *rows, struct cor_error *err)
{
	const char *key;
	json_t *entry;

	json_object_foreach (json_object_get(document, "auths"), key, entry) {
		_free_ char *domain = auth_key_domain(key);
		_credentials_ struct credentials found = {0};
		int r = domain ? auth_file_find(document, path, domain, &found, err) : 0;

		if (r == 0 && (found.user || found.identity_token))
			r = add_row(rows, domain, found.user ?: "<token>", path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list_file(const char *path, bool own, json_t *rows, struct cor_error *err)
{
	_auth_file_ json_t *document = NULL;
	int r = path ? auth_file_read(path, own, &document, err) : 0;

	if (r == 0)
		r = list_helpers(document, path, own, rows, err);
	return r ?: list_entries(document, path, rows, err);
}

static int by_registry(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sorted(json_t *rows)
{
	json_t *list = json_array(), *row;
	_strv_ struct strv domains = {0};
	const char *domain;

	json_object_foreach (rows, domain, row)
		strv_add(&domains, domain);
	if (domains.count)
		qsort(domains.items, domains.count, sizeof(*domains.items), by_registry);
	strv_foreach (&domains, i, domain)
		json_array_append(list, json_object_get(rows, domain));
	return list;
}

int credentials_list(const char *config_dir, json_t **ret, struct cor_error *err)
{
	_free_ char *own = auth_file_own(config_dir), *docker = auth_file_docker();
	_json_ json_t *rows = json_object();
	int r = list_file(own, true, rows, err);

	if (r == 0)
		r = list_file(docker, false, rows, err);
	if (r == 0)
		*ret = sorted(rows);
	return r;
}
