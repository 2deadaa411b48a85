/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: one request each. */
#include "oci/hash.h"
#include "oci/manifest.h"
#include "registry/client.h"

#include <errno.h>

#define MISSING "there is no such image or tag"

void registry_manifest_release(struct registry_manifest *manifest)
{
	free(manifest->data);
	free(manifest->media_type);
	*manifest = (struct registry_manifest){0};
}

/* The type without parameters; one of those that we asked for. */
static int take_type(const char *header, char **ret, struct cor_error *err)
{
	_free_ char *type = xstrdup(header ? header : "");
	enum media_kind kind;

	type[strcspn(type, "; \t")] = '\0';
	kind = media_kind(type);
	if (kind != MEDIA_MANIFEST && kind != MEDIA_INDEX)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the registry answers with '%.100s', which is no type of a manifest", type);
	*ret = steal_ptr(type);
	return 0;
}

/* What was asked for by digest is checked here already, so that a mirror's mistake is another one's turn. */
static int check_digest(const char *what, const struct buffer *body, struct cor_error *err)
{
	char found[DIGEST_SIZE];

	if (!digest_valid(what))
		return 0;
	hash_bytes(buffer_size(body) ? buffer_bytes(body) : (const void *)"", buffer_size(body), found);
	if (!str_equal(what, found))
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"its digest is not %.19s, for which the registry was asked", what);
	return 0;
}

static int get_from(struct registry *registry, size_t index, const char *what, struct registry_manifest *ret,
		    struct cor_error *err)
{
	_free_ char *target = str_format("%s/manifests/%s", registry->ref.path, what);
	_strv_ struct strv headers = {0};
	_call_ struct call call = {0};
	struct exchange_request request = {
		.place = &registry->places[index],
		.method = "GET",
		.target = target,
		.scope = registry->scope,
		.headers = &headers,
		.missing = MISSING,
		.collect_max = MANIFEST_SIZE_MAX,
		.small = true,
		.fd = -1,
	};
	int r;

	strv_add(&headers, "Accept: " MEDIA_TYPE_INDEX ", " MEDIA_TYPE_MANIFEST ", " MEDIA_TYPE_DOCKER_INDEX
			   ", " MEDIA_TYPE_DOCKER_MANIFEST);
	r = registry_call(registry, &request, index + 1 == registry->hosts.count, &call, err);
	if (r < 0)
		return r;
	r = check_digest(what, &call.body, err);
	if (r == 0)
		r = take_type(call.content_type, &ret->media_type, err);
	if (r < 0)
		return r;
	ret->size = buffer_size(&call.body);
	ret->data = xcalloc(1, ret->size + 1);
	if (ret->size)
		memcpy(ret->data, buffer_bytes(&call.body), ret->size);
	return 0;
}

int registry_get_manifest(struct registry *registry, const char *what, struct registry_manifest *ret,
			  struct cor_error *err)
{
	struct cor_error failure = {0}, mirror = {0};

	for (size_t i = registry->current; i < registry->hosts.count; i++) {
		if (get_from(registry, i, what, ret, &failure) == 0) {
			registry->current = i;
			return 0;
		}
		if (failure.status == COR_CANCELLED)
			break;
		/* A mirror that was never right would not be noticed otherwise. */
		if (i == 0 && registry->hosts.count > 1)
			mirror = failure;
	}
	if (mirror.status)
		return cor_fail(err, failure.status, failure.err, "manifest: %.250s; its mirror: %.200s",
				failure.msg, mirror.msg);
	return cor_fail(err, failure.status, failure.err, "manifest: %s", failure.msg);
}

int registry_put_manifest(struct registry *registry, const char *what, const char *media_type,
			  const void *data, size_t size, struct cor_error *err)
{
	_free_ char *target = str_format("%s/manifests/%s", registry->ref.path, what);
	_strv_ struct strv headers = {0};
	_call_ struct call call = {0};
	struct exchange_request request = {
		.place = &registry->places[registry->hosts.count - 1],
		.method = "PUT",
		.target = target,
		.scope = registry->scope,
		.headers = &headers,
		.missing = "it has no such repository, or not all that the manifest names",
		.collect_max = MANIFEST_SIZE_MAX,
		.small = true,
		.body = data,
		.body_size = size,
		.fd = -1,
	};

	strv_addf(&headers, "Content-Type: %s", media_type);
	return registry_call(registry, &request, true, &call, err);
}
