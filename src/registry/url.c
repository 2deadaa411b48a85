/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing of addresses, and the rules about who may send us where. */
#include "registry/url.h"

#include "base/str.h"
#include "oci/reference.h"
#include "registry/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#define HOST_SIZE_MAX 253

void url_release(struct url *url)
{
	free(url->host);
	free(url->target);
	*url = (struct url){0};
}

void url_copy(const struct url *from, struct url *ret)
{
	*ret = (struct url){from->https, xstrdup(from->host), from->port, xstrdup(from->target)};
}

static int refuse(struct cor_error *err, const char *reason)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "an address that %s", reason);
}

static bool visible(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return true;
}

static unsigned default_port(bool https)
{
	return https ? 443 : 80;
}

/* "host[:port]" of the given size. */
static int parse_place(struct url *url, const char *place, size_t size, struct cor_error *err)
{
	_free_ char *text = xstrndup(place, size);
	struct in6_addr address;
	char *colon, *bracket;

	if (strchr(text, '@'))
		return refuse(err, "holds a user or a password");
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!reference_domain_valid(text))
		return refuse(err, "has no valid host");
	bracket = strrchr(text, ']');
	colon = strchr(bracket ? bracket : text, ':');
	url->port = colon ? (unsigned)atoi(colon + 1) : default_port(url->https);
	if (colon)
		*colon = '\0';
	if (bracket) {
		*bracket = '\0';
		if (inet_pton(AF_INET6, text + 1, &address) != 1)
			return refuse(err, "has no valid host");
		*bracket = ']';
	}
	if (strlen(text) > HOST_SIZE_MAX)
		return refuse(err, "has no valid host");
	url->host = steal_ptr(text);
	return 0;
}

/* RFC 3986, section 5.2.4: takes "." and ".." out of the path, in place. */
static void remove_dots(char *target)
{
	char *end = target + strcspn(target, "?"), *in = target, *out = target;
	size_t n;

	while (in < end) {
		n = 1 + strcspn(in + 1, "/?");
		if (in + n > end)
			n = (size_t)(end - in);
		if (n == 2 && in[1] == '.') {
			if (in + n == end)
				*out++ = '/';
		} else if (n == 3 && in[1] == '.' && in[2] == '.') {
			while (out > target && *--out != '/')
				;
			if (in + n == end)
				*out++ = '/';
		} else {
			memmove(out, in, n);
			out += n;
		}
		in += n;
	}
	if (out == target)
		*out++ = '/';
	memmove(out, end, strlen(end) + 1);
}

/* Takes ownership of target, which begins with '/'. */
static void set_target(struct url *url, char *target)
{
	target[strcspn(target, "#")] = '\0';
	remove_dots(target);
	url->target = target;
}

static int check_text(const char *text, struct cor_error *err)
{
	if (strlen(text) > URL_SIZE_MAX)
		return refuse(err, "is longer than 8192 bytes");
	if (!visible(text))
		return refuse(err, "holds bytes other than visible ASCII");
	return 0;
}

static int parse_after_scheme(bool https, const char *rest, struct url *ret, struct cor_error *err)
{
	size_t size = strcspn(rest, "/?#");
	_url_ struct url url = {.https = https};
	int r = parse_place(&url, rest, size, err);

	if (r < 0)
		return r;
	set_target(&url, str_format("%s%s", rest[size] == '/' ? "" : "/", rest + size));
	*ret = url;
	url = (struct url){0};
	return 0;
}

int url_parse(const char *text, struct url *ret, struct cor_error *err)
{
	int r = check_text(text, err);

	if (r < 0)
		return r;
	if (strncasecmp(text, "https://", 8) == 0)
		return parse_after_scheme(true, text + 8, ret, err);
	if (strncasecmp(text, "http://", 7) == 0)
		return parse_after_scheme(false, text + 7, ret, err);
	return refuse(err, "is neither https nor http");
}

/* "name:" before any of "/?#". */
static bool has_scheme(const char *text)
{
	size_t n = strcspn(text, ":/?#");

	return text[n] == ':';
}

int url_resolve(const struct url *base, const char *location, struct url *ret, struct cor_error *err)
{
	size_t path = strcspn(base->target, "?"), folder = path;
	int r = check_text(location, err);
	char *target;

	if (r < 0)
		return r;
	if (!*location)
		return refuse(err, "is empty");
	if (strncmp(location, "//", 2) == 0)
		return parse_after_scheme(base->https, location + 2, ret, err);
	if (has_scheme(location))
		return url_parse(location, ret, err);
	while (folder > 0 && base->target[folder - 1] != '/')
		folder--;
	if (*location == '/')
		target = xstrdup(location);
	else if (*location == '?')
		target = str_format("%.*s%s", (int)path, base->target, location);
	else if (*location == '#')
		target = xstrdup(base->target);
	else
		target = str_format("%.*s%s", (int)folder, base->target, location);
	*ret = (struct url){base->https, xstrdup(base->host), base->port, NULL};
	set_target(ret, target);
	return 0;
}

char *url_place(const struct url *url)
{
	return url->port == default_port(url->https) ? xstrdup(url->host)
						     : str_format("%s:%u", url->host, url->port);
}

char *url_text(const struct url *url)
{
	_free_ char *place = url_place(url);

	return str_format("%s://%s%s", url->https ? "https" : "http", place, url->target);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->https == b->https && a->port == b->port && str_equal(a->host, b->host);
}

bool url_is_loopback(const struct url *url)
{
	return host_is_loopback(url->host);
}

static void encode(char *out, const char *value)
{
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (isalnum(*p) || strchr("-._~", *p))
			*out++ = (char)*p;
		else
			out += sprintf(out, "%%%02X", *p);
	}
	*out = '\0';
}

void url_add_query(struct url *url, const char *name, const char *value)
{
	_free_ char *encoded = xmalloc(strlen(value) * 3 + 1);
	char *target;

	encode(encoded, value);
	target = str_format("%s%c%s=%s", url->target, strchr(url->target, '?') ? '&' : '?', name, encoded);
	free(url->target);
	url->target = target;
}

int url_may_follow(const struct url *from, const struct url *to, struct cor_error *err)
{
	_free_ char *place = url_place(to);

	if (from->https && !to->https && !(url_is_loopback(from) && url_is_loopback(to)))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "from https to plain http, at %.100s", place);
	return 0;
}

static bool is_address(const char *host)
{
	struct in_addr address;

	return *host == '[' || inet_pton(AF_INET, host, &address) == 1;
}

/* The last two labels of a name, or three where two are likely a suffix that belongs to nobody ("co.uk"); NULL where it has no more than the suffix. Without the list of
 * public suffixes this is a guess, and one that matters little: it is the registry, which gets the password in any case, that vouches for the other host. */
static const char *domain_of(const char *host)
{
	const char *labels[4] = {host}; /* the last, the last but one, ... */
	size_t count = 0;

	if (is_address(host))
		return NULL;
	for (const char *p = host + strlen(host); count < 3 && p >= host; p--)
		if (p == host || p[-1] == '.')
			labels[count++] = p;
	if (count < 2)
		return NULL;
	if (strlen(labels[0]) > 2 || labels[0] - labels[1] > 4)
		return labels[1];
	return count == 3 ? labels[2] : NULL;
}

bool url_realm_trusted(const struct url *home, const struct url *realm)
{
	bool local = url_is_loopback(home) && url_is_loopback(realm);
	const char *domain = domain_of(home->host);

	if (!realm->https)
		return !home->https && (local || str_equal(home->host, realm->host));
	return local || str_equal(home->host, realm->host) ||
	       (domain && str_equal(domain, domain_of(realm->host)));
}
