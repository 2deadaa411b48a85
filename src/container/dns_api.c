/* SPDX-License-Identifier: Apache-2.0 */
/* The cor_dns_* calls. */
#include "coracle/network.h"

#include "base/json.h"
#include "container/context.h"
#include "net/resolved.h"

#include <errno.h>

int cor_dns_create(struct cor_context *ctx, const char *domain, struct cor_error *err)
{
	return resolved_create(ctx->roots.data_fd, ctx->roots.run_fd, domain ?: NETWORK_DOMAIN, err);
}

int cor_dns_remove(struct cor_context *ctx, const char *domain, struct cor_error *err)
{
	return resolved_remove(ctx->roots.data_fd, ctx->roots.run_fd, domain ?: NETWORK_DOMAIN, err);
}

static json_t *server_json(struct cor_context *ctx, const struct network *network)
{
	struct net_prefix gateway4 = net_prefix_host(&network->v4, NETWORK_GATEWAY);
	struct net_prefix gateway6 = net_prefix_host(&network->v6, NETWORK_GATEWAY);
	char v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "Domain", network->domain, "Network", network->name,
			 "Server", net_address_format(&gateway4, v4), "ServerV6",
			 net_address_format(&gateway6, v6), "Resolved",
			 (int)resolved_wished(ctx->roots.data_fd, network->domain));
}

int cor_dns_list(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	_json_ json_t *list = json_array();
	_strv_ struct strv names = {0};
	const char *name;
	int r = network_names(ctx->roots.data_fd, &names, err);

	strv_foreach (&names, i, name) {
		_cleanup_(network_release) struct network network = {0};

		if (r < 0)
			break;
		/* One that was removed meanwhile is none. */
		if (network_read(ctx->roots.data_fd, name, &network, NULL) == 0)
			json_array_append_new(list, server_json(ctx, &network));
	}
	if (r < 0)
		return r;
	*ret_json = json_dumps(list, JSON_INDENT(2));
	return *ret_json ? 0 : cor_fail(err, COR_INTERNAL, EINVAL, "the list of name servers");
}
