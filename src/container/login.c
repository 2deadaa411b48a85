/* SPDX-License-Identifier: Apache-2.0 */
/* The cor_registry_* calls: who we are at which registry. */
#include "container/login.h"

#include "base/json.h"
#include "base/str.h"
#include "coracle/registry.h"
#include "registry/auth_file.h"
#include "registry/credentials.h"
#include "registry/registry.h"

#include <errno.h>

int login_domain(const char *text, char **ret, struct cor_error *err)
{
	char *domain = auth_key_domain(str_empty(text) ? "docker.io" : text);

	if (domain && str_after(text ?: "", "http://")) {
		free(domain);
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%.100s': a registry is named without http://; use --scheme http where it "
				"speaks no TLS",
				text);
	}
	if (!domain)
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%.100s' is no name of a registry (HOST or HOST:PORT, without a repository)",
				text);
	*ret = domain;
	return 0;
}

int cor_registry_login(struct cor_context *ctx, const char *registry, const char *user, const char *password,
		       const struct cor_registry_options *options, char **ret_where, struct cor_error *err)
{
	_credentials_ struct credentials credentials = {.user = xstrdup(user), .password = xstrdup(password)};
	struct cor_registry_options how = options ? *options : (struct cor_registry_options){0};
	_free_ char *domain = NULL;
	int r = login_domain(registry, &domain, err) ?: credentials_check(&credentials, err);

	if (str_after(registry ?: "", "https://"))
		how.scheme = "https";
	/* Docker's way to say that the password is an OAuth2 refresh token. */
	if (r == 0 && str_equal(user, "<token>")) {
		free(credentials.user);
		credentials.user = NULL;
		credentials.identity_token = steal_ptr(credentials.password);
	}
	if (r == 0)
		r = registry_check_login(domain, user, password, &how, err);
	if (r == 0)
		r = credentials_store(how.config_dir, domain, &credentials, ret_where, err);
	return r < 0 ? cor_context(err, r, "login") : 0;
}

int cor_registry_logout(struct cor_context *ctx, const char *registry, const char *config_dir,
			struct cor_error *err)
{
	_free_ char *domain = NULL;
	int r = login_domain(registry, &domain, err) ?: credentials_erase(config_dir, domain, err);

	return r < 0 ? cor_context(err, r, "logout") : 0;
}

int cor_registry_list(struct cor_context *ctx, const char *config_dir, char **ret_json, struct cor_error *err)
{
	_json_ json_t *list = NULL;
	int r = credentials_list(config_dir, &list, err);

	if (r < 0)
		return r;
	*ret_json = json_dumps(list, JSON_COMPACT);
	return *ret_json ? 0 : cor_fail(err, COR_INTERNAL, ENOMEM, "list of registries");
}
