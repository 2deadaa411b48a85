/* SPDX-License-Identifier: Apache-2.0 */
/* The places where a registry's images may be, from what the files say and what is usual. */
#include "registry/hosts.h"

#include "oci/reference.h"

#include <arpa/inet.h>
#include <errno.h>

#define DOCKER_HUB      "docker.io"
#define DOCKER_HUB_HOST "registry-1.docker.io"

void hosts_release(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct host *host = &hosts->items[i];

		free(host->domain);
		free(host->base);
		free(host->cert);
		free(host->key);
		strv_release(&host->cas);
	}
	free(hosts->items);
	*hosts = (struct hosts){0};
}

/* An environment variable that holds an absolute path, or NULL: the XDG base directory specification wants others ignored. */
static const char *path_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value == '/' ? value : NULL;
}

char *config_folder(const char *config_dir)
{
	const char *base;

	if (str_empty(config_dir))
		config_dir = getenv("CORACLE_CONFIG");
	if (!str_empty(config_dir))
		return xstrdup(config_dir);
	base = path_variable("XDG_CONFIG_HOME");
	if (base)
		return str_format("%s/coracle", base);
	base = path_variable("HOME");
	return base ? str_format("%s/.config/coracle", base) : NULL;
}

/* "127.a.b.c" and nothing else: "127.evil.example" is a name that anybody may have. */
static bool is_loopback_v4(const char *host, size_t size)
{
	_free_ char *text = xstrndup(host, size);
	struct in_addr address;

	return inet_pton(AF_INET, text, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

bool host_is_loopback(const char *domain)
{
	size_t size = *domain == '[' ? strcspn(domain, "]") + 1 : strcspn(domain, ":");

	if (!reference_domain_valid(domain))
		return false;
	if (*domain == '[')
		return size == 5 && strncmp(domain, "[::1]", 5) == 0;
	return (size == 9 && strncasecmp(domain, "localhost", 9) == 0) || is_loopback_v4(domain, size);
}

static int scheme_of(const char *domain, const char *scheme, enum host_scheme *ret, struct cor_error *err)
{
	if (!scheme || str_equal(scheme, "auto"))
		*ret = host_is_loopback(domain) ? HOST_HTTPS_OR_HTTP : HOST_HTTPS;
	else if (str_equal(scheme, "https"))
		*ret = HOST_HTTPS;
	else if (str_equal(scheme, "http"))
		*ret = HOST_HTTP;
	else
		return cor_fail(err, COR_INVALID, EINVAL, "scheme '%.20s' is none of auto, https and http",
				scheme);
	return 0;
}

int hosts_find(const char *config_dir, const char *domain, const char *scheme, struct hosts *ret,
	       struct cor_error *err)
{
	enum host_scheme used = HOST_HTTPS;
	int r;

	if (!reference_domain_valid(domain))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.100s' is no name of a registry", domain);
	r = scheme_of(domain, scheme, &used, err);
	if (r < 0)
		return r;
	ret->items = xcalloc(1, sizeof(*ret->items));
	ret->count = 1;
	ret->items[0] = (struct host){
		.domain = xstrdup(domain),
		.base = xstrdup(str_equal(domain, DOCKER_HUB) ? DOCKER_HUB_HOST : domain),
		.scheme = used,
		.verify = true,
	};
	return 0;
}
