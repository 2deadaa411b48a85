/* SPDX-License-Identifier: Apache-2.0 */
/* The places where a registry's images may be, from what the files say and what is usual. */
#include "registry/hosts.h"

#include "base/file.h"
#include "oci/reference.h"
#include "registry/config_file.h"
#include "registry/host_config.h"

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

/* ---- what the files say ---- */

/* Where we look: the user's folder, and the machine's. */
struct places {
	char *config;    /* NULL where there is no home */
	const char *etc; /* "/etc" */
	json_t *documents[2];
};

static void places_release(struct places *places)
{
	free(places->config);
	json_decref(places->documents[0]);
	json_decref(places->documents[1]);
}

static int read_document(const char *folder, json_t **ret, struct cor_error *err)
{
	_free_ char *path = str_format("%s/registries.json", folder), *text = NULL;
	size_t size = 0;
	int r = config_file_read(path, true, &text, &size, err);

	return r < 0 || !text ? r : host_config_parse(text, size, path, ret, err);
}

static int read_documents(struct places *places, struct cor_error *err)
{
	_free_ char *machine = str_format("%s/coracle", places->etc);
	int r = places->config ? read_document(places->config, &places->documents[0], err) : 0;

	return r ?: read_document(machine, &places->documents[1], err);
}

static struct host_config config_of(const struct places *places, const char *domain)
{
	struct host_config config = {.verify = true};

	for (size_t i = 0; i < ARRAY_SIZE(places->documents); i++)
		if (host_config_find(places->documents[i], domain, &config))
			break;
	return config;
}

/* ---- certs.d ---- */

/* What a folder holds, sorted; nothing where there is no such folder or it is not ours to read. */
static int list_folder(const char *path, struct strv *ret, struct cor_error *err)
{
	int r = dir_names(AT_FDCWD, path, NULL, ret);

	return r == 0 || r == -ENOENT || r == -ENOTDIR || r == -EACCES
		       ? 0
		       : cor_fail_errno(err, r, "read '%s'", path);
}

/* "name" of "name.key" where suffix is ".key", or NULL. The caller's. */
static char *stem(const char *name, const char *suffix)
{
	size_t n = strlen(name), tail = strlen(suffix);

	return n > tail && str_equal(name + n - tail, suffix) ? xstrndup(name, n - tail) : NULL;
}

/* The other half of a pair has to be there. */
static int check_pair(const struct strv *names, const char *folder, const char *name, const char *suffix,
		      const char *other, struct cor_error *err)
{
	_free_ char *base = stem(name, suffix), *partner = base ? str_format("%s%s", base, other) : NULL;

	if (partner && !strv_contains(names, partner))
		return cor_fail(err, COR_CORRUPT, ENOENT, "'%s/%s' is there without '%s'", folder, name,
				partner);
	return 0;
}

static int add_folder(const char *folder, struct host *host, struct cor_error *err)
{
	_strv_ struct strv names = {0};
	const char *name;
	int r = list_folder(folder, &names, err);

	if (r < 0)
		return r;
	strv_foreach (&names, i, name) {
		_free_ char *authority = stem(name, ".crt"), *pair = stem(name, ".cert");

		r = check_pair(&names, folder, name, ".cert", ".key", err);
		if (r == 0)
			r = check_pair(&names, folder, name, ".key", ".cert", err);
		if (r < 0)
			return r;
		if (authority)
			strv_addf(&host->cas, "%s/%s", folder, name);
		if (pair && !host->cert) {
			host->cert = str_format("%s/%s", folder, name);
			host->key = str_format("%s/%s.key", folder, pair);
		}
	}
	return 0;
}

static int add_certificates(const struct places *places, struct host *host, struct cor_error *err)
{
	static const char *const folders[] = {"coracle", "docker", "containers"};
	int r = 0;

	if (places->config) {
		_free_ char *own = str_format("%s/certs.d/%s", places->config, host->domain);

		r = add_folder(own, host, err);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
		_free_ char *folder = str_format("%s/%s/certs.d/%s", places->etc, folders[i], host->domain);

		r = add_folder(folder, host, err);
	}
	return r;
}

/* ---- the list ---- */

/* Takes domain and base. */
static int add_host(struct hosts *hosts, const struct places *places, char *domain, char *base,
		    enum host_scheme scheme, struct cor_error *err)
{
	_host_config_ struct host_config config = config_of(places, domain);
	struct host *host = &hosts->items[hosts->count++];

	*host = (struct host){
		.domain = domain,
		.base = base,
		.scheme = scheme,
		.verify = config.verify,
		.cert = steal_ptr(config.cert),
		.key = steal_ptr(config.key),
	};
	if (config.ca)
		strv_add(&host->cas, config.ca);
	return add_certificates(places, host, err);
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

static int add_all(struct hosts *hosts, const struct places *places, const char *domain, const char *scheme,
		   struct cor_error *err)
{
	_host_config_ struct host_config config = config_of(places, domain);
	enum host_scheme used = HOST_HTTPS;
	int r;

	if (!scheme || str_equal(scheme, "auto"))
		scheme = config.scheme;
	r = scheme_of(domain, scheme, &used, err);
	if (r < 0)
		return r;
	hosts->items = xcalloc(config.mirrors.count + 1, sizeof(*hosts->items));
	for (size_t i = 0; r == 0 && i < config.mirrors.count; i++) {
		struct mirror mirror = {0};

		r = mirror_parse(config.mirrors.items[i], &mirror);
		if (r == 0)
			r = add_host(hosts, places, mirror.domain, mirror.base,
				     mirror.https ? HOST_HTTPS : HOST_HTTP, err);
	}
	return r
		       ?: add_host(hosts, places, xstrdup(domain),
				   xstrdup(str_equal(domain, DOCKER_HUB) ? DOCKER_HUB_HOST : domain), used,
				   err);
}

int hosts_find_with(const char *etc, const char *config_dir, const char *domain, const char *scheme,
		    struct hosts *ret, struct cor_error *err)
{
	_cleanup_(places_release) struct places places = {.config = config_folder(config_dir), .etc = etc};
	_hosts_ struct hosts hosts = {0};
	int r;

	if (!reference_domain_valid(domain))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.100s' is no name of a registry", domain);
	r = read_documents(&places, err);
	if (r == 0)
		r = add_all(&hosts, &places, domain, scheme, err);
	if (r < 0)
		return r;
	*ret = hosts;
	hosts = (struct hosts){0};
	return 0;
}

int hosts_find(const char *config_dir, const char *domain, const char *scheme, struct hosts *ret,
	       struct cor_error *err)
{
	return hosts_find_with("/etc", config_dir, domain, scheme, ret, err);
}
