/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials are looked for, and how our own file is changed. */
#include "registry/credentials.h"

#include "base/str.h"
#include "oci/reference.h"
#include "registry/auth_file.h"
#include "registry/hosts.h"

#include <errno.h>

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void credentials_release(struct credentials *credentials)
{
	wipe(&credentials->user);
	wipe(&credentials->password);
	wipe(&credentials->identity_token);
}

static char *own_file(const char *config_dir)
{
	_free_ char *folder = config_folder(config_dir);

	return folder ? str_format("%s/auth.json", folder) : NULL;
}

/* $DOCKER_CONFIG/config.json, or ~/.docker/config.json; NULL where there is no home. */
static char *docker_file(void)
{
	const char *folder = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (!str_empty(folder))
		return str_format("%s/config.json", folder);
	return str_empty(home) ? NULL : str_format("%s/.docker/config.json", home);
}

static bool known(const struct credentials *credentials)
{
	return credentials->user || credentials->identity_token;
}

static int find_in(const char *path, bool own, const char *domain, struct credentials *ret,
		   struct cor_error *err)
{
	_auth_file_ json_t *document = NULL;
	int r = path ? auth_file_read(path, own, &document, err) : 0;

	return r < 0 || !document ? r : auth_file_find(document, path, domain, ret, err);
}

int credentials_find(const char *config_dir, const char *domain, struct credentials *ret,
		     struct cor_error *err)
{
	_free_ char *own = own_file(config_dir), *docker = docker_file();
	_credentials_ struct credentials found = {0};
	int r = find_in(own, true, domain, &found, err);

	if (r == 0 && !known(&found))
		r = find_in(docker, false, domain, &found, err);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct credentials){0};
	return 0;
}
