/* SPDX-License-Identifier: Apache-2.0 */
#include "net/request.h"

#include "base/size.h"
#include "net/network.h"

#include <errno.h>

#define MTU_MIN     1280 /* of IPv6 (RFC 8200, section 5) */
#define MTU_MAX     65521
#define ALIASES_MAX 32

void net_request_release(struct net_request *request)
{
	free(request->network);
	strv_release(&request->aliases);
	*request = (struct net_request){0};
}

static int set_address(const char *value, struct net_request *request)
{
	struct net_prefix address;

	if (strchr(value, '/') || net_prefix_parse(value, &address) < 0)
		return -EINVAL;
	*(address.family == AF_INET ? &request->v4 : &request->v6) = address;
	return 0;
}

static int set_option(const char *key, const char *value, struct net_request *request)
{
	int64_t number;

	if (str_equal(key, "ip") || str_equal(key, "ip6"))
		return set_address(value, request);
	if (str_equal(key, "mac")) {
		request->has_mac = true;
		return mac_parse(value, request->mac);
	}
	if (str_equal(key, "mtu")) {
		if (number_parse(value, MTU_MIN, MTU_MAX, &number) < 0)
			return -EINVAL;
		request->mtu = (uint32_t)number;
		return 0;
	}
	if (!str_equal(key, "alias") || !network_domain_valid(value) || request->aliases.count == ALIASES_MAX)
		return -EINVAL;
	strv_add(&request->aliases, value);
	return 0;
}

int net_request_parse(const char *text, struct net_request *ret, struct cor_error *err)
{
	_strv_ struct strv parts = strv_split(text, ',');
	_cleanup_(net_request_release) struct net_request request = {0};
	const char *part;

	if (!network_name_valid(parts.items[0]))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.80s' is no name of a network", parts.items[0]);
	request.network = xstrdup(parts.items[0]);
	if (str_equal(request.network, NETWORK_HOST))
		return cor_fail(err, COR_UNSUPPORTED, EOPNOTSUPP,
				"there is no network '" NETWORK_HOST
				"': a container has a kernel of its own, which has none of the "
				"host's sockets and devices; --publish lets others reach it");
	strv_foreach (&parts, i, part) {
		size_t length = strcspn(part, "=");
		_free_ char *key = xstrndup(part, length);

		if (i && (!part[length] || set_option(key, part + length + 1, &request) < 0))
			return cor_fail(
				err, COR_INVALID, EINVAL,
				"network '%s': '%.100s' is none of ip=ADDRESS, ip6=ADDRESS, mac=ADDRESS, "
				"mtu=NUMBER (from %d), alias=NAME",
				request.network, part, MTU_MIN);
	}
	*ret = request;
	request = (struct net_request){0};
	return 0;
}
