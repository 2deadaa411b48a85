/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/host_config.h"

#include "base/json.h"
#include "oci/reference.h"

#include <errno.h>

#define SEGMENT "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-"

void host_config_release(struct host_config *config)
{
	strv_release(&config->mirrors);
	free(config->scheme);
	free(config->ca);
	free(config->cert);
	free(config->key);
	*config = (struct host_config){0};
}

/* ---- mirrors ---- */

/* "" or "/segment/segment"; no segment leads upwards or is empty. */
static bool prefix_valid(const char *prefix)
{
	while (*prefix) {
		size_t n = strspn(prefix + 1, SEGMENT);

		if (*prefix != '/' || n == 0 || strspn(prefix + 1, ".") == n)
			return false;
		prefix += n + 1;
	}
	return true;
}

void mirror_release(struct mirror *mirror)
{
	free(mirror->domain);
	free(mirror->base);
	*mirror = (struct mirror){0};
}

int mirror_parse(const char *url, struct mirror *ret)
{
	const char *secure = str_after(url, "https://"), *host = secure ?: str_after(url, "http://");
	_cleanup_(mirror_release) struct mirror mirror = {.https = secure};
	size_t size;

	if (!host || strlen(host) > 1024)
		return -EINVAL;
	mirror.base = xstrdup(host);
	size = strlen(host);
	if (size && host[size - 1] == '/')
		mirror.base[size - 1] = '\0';
	size = strcspn(mirror.base, "/");
	mirror.domain = xstrndup(host, size);
	if (!reference_domain_valid(mirror.domain) || !prefix_valid(mirror.base + size))
		return -EINVAL;
	*ret = mirror;
	mirror = (struct mirror){0};
	return 0;
}

/* ---- checks ---- */

struct place {
	const char *path, *domain;
	struct cor_error *err;
};

static int bad(const struct place *place, const char *member, const char *reason)
{
	return cor_fail(place->err, COR_CORRUPT, EINVAL, "'%s': '%.100s': '%.50s' %s", place->path,
			place->domain, member, reason);
}

static int check_mirrors(const struct place *place, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list))
		return bad(place, "mirrors", "is no list");
	if (json_array_size(list) > HOST_MIRRORS_MAX)
		return bad(place, "mirrors", "has more than 16 entries");
	json_array_foreach (list, i, item) {
		_cleanup_(mirror_release) struct mirror mirror = {0};

		if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item) ||
		    mirror_parse(json_string_value(item), &mirror) < 0)
			return bad(place, "mirrors",
				   "has an entry that is no URL https://HOST[:PORT][/PREFIX]");
	}
	return 0;
}

static int check_path(const struct place *place, const char *member, const json_t *value)
{
	const char *path = json_string_value(value);

	if (!path || strlen(path) != json_string_length(value))
		return bad(place, member, "is no path");
	return *path == '/' ? 0 : bad(place, member, "is no absolute path");
}

static int check_member(const struct place *place, const char *member, const json_t *value)
{
	const char *text = json_string_value(value);

	if (str_equal(member, "mirrors"))
		return check_mirrors(place, value);
	if (str_equal(member, "ca") || str_equal(member, "cert") || str_equal(member, "key"))
		return check_path(place, member, value);
	if (str_equal(member, "verify"))
		return json_is_boolean(value) ? 0 : bad(place, member, "is neither true nor false");
	if (!str_equal(member, "scheme"))
		return bad(place, member, "is not known");
	if (!str_equal(text, "auto") && !str_equal(text, "https") && !str_equal(text, "http"))
		return bad(place, member, "is none of auto, https and http");
	return 0;
}

static int check_registry(const struct place *place, json_t *registry)
{
	const char *member;
	json_t *value;

	if (!reference_domain_valid(place->domain))
		return cor_fail(place->err, COR_CORRUPT, EINVAL, "'%s': '%.100s' is no name of a registry",
				place->path, place->domain);
	if (str_equal(place->domain, "index.docker.io") || str_equal(place->domain, "registry-1.docker.io"))
		return cor_fail(place->err, COR_CORRUPT, EINVAL, "'%s': '%s' is called docker.io here",
				place->path, place->domain);
	if (!json_is_object(registry))
		return cor_fail(place->err, COR_CORRUPT, EINVAL, "'%s': '%s' is no object", place->path,
				place->domain);
	json_object_foreach (registry, member, value) {
		int r = check_member(place, member, value);

		if (r < 0)
			return r;
	}
	if (!json_object_get(registry, "cert") != !json_object_get(registry, "key"))
		return bad(place, json_object_get(registry, "cert") ? "cert" : "key",
			   "is there without the other of cert and key");
	return 0;
}

int host_config_parse(const char *text, size_t size, const char *path, json_t **ret, struct cor_error *err)
{
	_json_ json_t *document = NULL;
	json_t *registries, *value;
	const char *key;
	int r = json_parse_object(text, size, path, &document, err);

	if (r < 0)
		return r;
	json_object_foreach (document, key, value)
		if (!str_equal(key, "registries"))
			return cor_fail(err, COR_CORRUPT, EINVAL, "'%s': '%.50s' is not known", path, key);
	registries = json_object_get(document, "registries");
	if (registries && !json_is_object(registries))
		return cor_fail(err, COR_CORRUPT, EINVAL, "'%s': 'registries' is no object", path);
	json_object_foreach (registries, key, value) {
		r = check_registry(&(struct place){path, key, err}, value);
		if (r < 0)
			return r;
	}
	*ret = steal_ptr(document);
	return 0;
}

bool host_config_find(const json_t *document, const char *domain, struct host_config *ret)
{
	const json_t *registry = json_object_get(json_object_get(document, "registries"), domain);

	if (!registry)
		return false;
	*ret = (struct host_config){
		.scheme = xstrdup(json_string_value(json_object_get(registry, "scheme"))),
		.ca = xstrdup(json_string_value(json_object_get(registry, "ca"))),
		.cert = xstrdup(json_string_value(json_object_get(registry, "cert"))),
		.key = xstrdup(json_string_value(json_object_get(registry, "key"))),
		.verify = !json_is_false(json_object_get(registry, "verify")),
	};
	json_get_strv(registry, "mirrors", &ret->mirrors);
	return true;
}
