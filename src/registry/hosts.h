/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be known of a registry before it is spoken to: where it is, how, and whom to trust.
 *
 *   CONFIG/registries.json, /etc/coracle/registries.json (the first that speaks of the registry counts):
 *     {"registries": {"docker.io": {"mirrors": ["https://mirror.example/prefix"], "scheme": "http", "ca": "/path.pem", "cert": "...", "key": "...", "verify": false}}}
 *   CONFIG/certs.d/HOST[:PORT]/{*.crt, *.cert with its *.key}, and the same below /etc/coracle, /etc/docker and /etc/containers
 *
 * Proxies come from the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY), as libcurl reads it. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

enum host_scheme { HOST_HTTPS, HOST_HTTP, HOST_HTTPS_OR_HTTP };

/* One place where a repository may be. */
struct host {
	char *domain; /* "registry.example:5000": what credentials are stored under */
	char *base; /* "registry.example:5000" or "mirror.example/prefix": what stands between "https://" and "/v2/" */
	enum host_scheme scheme;
	bool verify;      /* the certificate */
	struct strv cas;  /* paths of PEM files, in addition to the system's */
	char *cert, *key; /* paths, or NULL */
};

struct hosts {
	struct host *items; /* mirrors first, the registry itself last */
	size_t count;
};
void hosts_release(struct hosts *hosts);
#define _hosts_ _cleanup_(hosts_release)

/* scheme: "auto", "https", "http" or NULL, over what the files say. docker.io is reached at registry-1.docker.io. COR_INVALID for such an argument;
 * COR_CORRUPT for a broken file, which the error names; COR_PERMISSION for a registries.json that others may write. Mirrors are spoken to as their
 * URLs say, with what the files say of their own hosts. */
int hosts_find(const char *config_dir, const char *domain, const char *scheme, struct hosts *ret,
	       struct cor_error *err);

/* The same with another folder in the place of /etc, for tests. */
int hosts_find_with(const char *etc, const char *config_dir, const char *domain, const char *scheme,
		    struct hosts *ret, struct cor_error *err);

/* True for localhost, 127.0.0.0/8 and [::1], with any port. */
bool host_is_loopback(const char *domain);

/* The folder of the configuration: config_dir, or what stands for NULL. The caller's. NULL where there is no home. */
char *config_folder(const char *config_dir);
