/* SPDX-License-Identifier: Apache-2.0 */
/* A Location in the answer of a registry. Whatever comes out must be an address that means the same when it is read again, and has the host that it says. */
#include "registry/url.h"

#include "base/str.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct url *url, struct url *base)
{
	_free_ char *text = url_text(url);
	_url_ struct url again = {0};
	struct cor_error err;

	if (*url->target != '/' || strchr(url->target, '#') || strpbrk(url->host, "@/?#\\ "))
		abort();
	/* The limit on the length may meet what became longer by what stood before it. */
	if (url_parse(text, &again, &err) < 0) {
		if (strlen(text) <= URL_SIZE_MAX)
			abort();
		return;
	}
	if (!url_same_origin(url, &again) || !str_equal(url->target, again.target))
		abort();
	url_may_follow(base, url, &err);
	url_realm_trusted(base, url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);
	_url_ struct url base = {.https = true,
				 .host = xstrdup("registry.example"),
				 .port = 5000,
				 .target = xstrdup("/v2/a/?b")};
	_url_ struct url url = {0}, resolved = {0};
	struct cor_error err;

	if (url_parse(text, &url, &err) == 0)
		check(&url, &base);
	if (url_resolve(&base, text, &resolved, &err) == 0)
		check(&resolved, &base);
	return 0;
}
