/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of registries and of where they send us. Only http and https, and only what has one meaning: what is not plainly an address is refused, and what is handed on is
 * written anew from its parts, so that nobody after us can read another host in it than we did. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>

#define URL_SIZE_MAX 8192

struct url {
	bool https;
	char *host; /* lower case; an IPv6 address with its brackets */
	unsigned port;
	char *target; /* path and query: begins with '/', visible ASCII, no '#' */
};
void url_release(struct url *url);
#define _url_ _cleanup_(url_release)

/* An absolute address. COR_CORRUPT, with the reason, for other schemes than http and https, users and passwords, hosts that are no name and no address, and bytes that are not
 * visible ASCII. A fragment is dropped, "." and ".." in the path are resolved. */
int url_parse(const char *text, struct url *ret, struct cor_error *err);
/* What a Location header means in the answer from base: absolute or relative (RFC 3986, section 5.2). */
int url_resolve(const struct url *base, const char *location, struct url *ret, struct cor_error *err);
void url_copy(const struct url *from, struct url *ret);
/* The caller's. */
char *url_text(const struct url *url);
/* "host" or "host:port", without the scheme's own port. The caller's. */
char *url_place(const struct url *url);
/* The same scheme, host and port: what may see the same credentials. */
bool url_same_origin(const struct url *a, const struct url *b);
bool url_is_loopback(const struct url *url);
/* Appends NAME=VALUE to the query; all but unreserved characters of value are percent-encoded. */
void url_add_query(struct url *url, const char *name, const char *value);

/* Whether an answer from `from` may send us to `to`: never from https to http, but within the loopback. COR_CORRUPT. */
int url_may_follow(const struct url *from, const struct url *to, struct cor_error *err);
/* Whether the registry at `home` may have the password of its users sent to `realm`, which it names in a challenge (CVE-2020-15157 is about what happens without such a rule):
 * - over https, or over http where the registry itself is reached by http, and then only on the same host or between loopback addresses;
 * - the host is the registry's own, or both lie in one domain, as registry-1.docker.io and auth.docker.io do. */
bool url_realm_trusted(const struct url *home, const struct url *realm);
