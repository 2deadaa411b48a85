/* SPDX-License-Identifier: Apache-2.0 */
/* Are these credentials good? The registry is asked for nothing but its root, as nobody and then, if it wants to know, as the user. */
#include "registry/client.h"
#include "registry/failure.h"

#include <errno.h>

static void use(struct credentials *credentials, const char *user, const char *password)
{
	/* Docker's convention for tokens of an identity provider. */
	if (str_equal(user, "<token>"))
		credentials->identity_token = xstrdup(password);
	credentials->user = xstrdup(user);
	credentials->password = credentials->identity_token ? NULL : xstrdup(password);
}

static int check(struct registry *registry, const char *user, struct cor_error *err)
{
	const struct place *place = &registry->places[registry->hosts.count - 1];
	_call_ struct call call = {0};
	_free_ char *realm = NULL;
	struct exchange_request request = {
		.place = &registry->places[registry->hosts.count - 1],
		.method = "GET",
		.target = "",
		.scope = registry->scope,
		.missing = "it is no registry (of version 2)",
		.collect_max = FAILURE_BODY_MAX,
		.small = true,
		.fd = -1,
	};
	int r = registry_call(registry, &request, true, &call, err);

	if (place->scheme == CHALLENGE_BEARER && !place->realm_trusted) {
		realm = url_place(&place->realm);
		return cor_fail(err, COR_PERMISSION, EACCES,
				"%s wants the password to be sent to %.100s, which is not its own",
				registry->hosts.items[0].domain, realm);
	}
	/* Others that may not, such as a certificate, are told as they are. */
	if (r < 0 && (call.status == 401 || call.status == 403 || place->refused))
		return cor_fail(err, COR_PERMISSION, EACCES, "%s does not take this password for '%.60s'",
				place->host->domain, user);
	return r;
}

int registry_check_login(const char *domain, const char *user, const char *password,
			 const struct cor_registry_options *options, struct cor_error *err)
{
	_credentials_ struct credentials credentials = {0};
	_cleanup_(registry_freep) struct registry *registry = NULL;
	int r;

	use(&credentials, user, password);
	r = registry_open_with(NULL, domain, REGISTRY_PUSH, options, &limits_default, &credentials, &registry,
			       err);
	return r < 0 ? r : check(registry, user, err);
}
