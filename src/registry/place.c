/* SPDX-License-Identifier: Apache-2.0 */
/* A host of the configuration, made ready to be spoken to. */
#include "registry/place.h"

#include "base/buffer.h"
#include "base/file.h"
#include "registry/auth.h"

#include <errno.h>

#define CA_SIZE_MAX (4u << 20)

/* libcurl takes one file of authorities and one folder. The folder stays the system's; where libcurl was built without one, the system's file comes in front. */
static int load_authorities(struct place *place, struct cor_error *err)
{
	const curl_version_info_data *info = place->engine->curl.version_info(CURLVERSION_NOW);
	_buffer_ struct buffer all = {0};
	const char *path;
	char *text;
	size_t size;
	int r;

	if (place->host->cas.count == 0)
		return 0;
	if (str_empty(info->capath) && !str_empty(info->cainfo) &&
	    file_read(AT_FDCWD, info->cainfo, CA_SIZE_MAX, &text, &size) == 0) {
		buffer_append(&all, text, size);
		free(text);
	}
	strv_foreach (&place->host->cas, i, path) {
		r = file_read(AT_FDCWD, path, CA_SIZE_MAX, &text, &size);
		if (r < 0)
			return cor_fail_errno(err, r, "certificate authority '%s'", path);
		buffer_append(&all, text, size);
		buffer_append(&all, "\n", 1);
		free(text);
	}
	place->ca_size = buffer_size(&all);
	place->ca = xmemdup(buffer_bytes(&all), place->ca_size);
	return 0;
}

static int set_root(struct place *place, bool https, struct cor_error *err)
{
	_free_ char *text = str_format("%s://%s/v2/", https ? "https" : "http", place->host->base);
	int r;

	url_release(&place->root);
	r = url_parse(text, &place->root, err);
	return r < 0 ? cor_context(err, r, "registry '%s'", place->host->base) : 0;
}

int place_init(struct place *place, struct engine *engine, const struct host *host, const char *config_dir,
	       struct credentials *credentials, struct cor_error *err)
{
	int r;

	*place = (struct place){
		.engine = engine,
		.host = host,
		.config_dir = config_dir,
		.maybe_http = host->scheme == HOST_HTTPS_OR_HTTP,
	};
	if (credentials) {
		place->credentials = *credentials;
		place->looked = true;
		*credentials = (struct credentials){0};
	}
	r = set_root(place, host->scheme != HOST_HTTP, err);
	return r < 0 ? r : load_authorities(place, err);
}

void place_release(struct place *place)
{
	auth_release(place);
	url_release(&place->root);
	free(place->ca);
	*place = (struct place){0};
}

void place_url(const struct place *place, const char *target, struct url *ret)
{
	*ret = (struct url){
		.https = place->root.https,
		.host = xstrdup(place->root.host),
		.port = place->root.port,
		.target = str_format("%s%s", place->root.target, target),
	};
}

struct tls place_tls(const struct place *place, const struct url *url)
{
	bool home = url_same_origin(&place->root, url);

	return (struct tls){
		.verify = place->host->verify || !str_equal(place->root.host, url->host),
		.ca = place->ca,
		.ca_size = place->ca_size,
		.cert = home ? place->host->cert : NULL,
		.key = home ? place->host->key : NULL,
		.config_dir = place->config_dir,
	};
}

void place_reached(struct place *place, bool https)
{
	place->reached = true;
	if (https)
		place->maybe_http = false;
}

void place_use_http(struct place *place)
{
	place->maybe_http = false;
	/* What was an address with https is one with http. */
	set_root(place, false, NULL);
}
