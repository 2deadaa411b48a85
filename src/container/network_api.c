/* SPDX-License-Identifier: Apache-2.0 */
/* The cor_network_* calls: records and the leases that are held, in words for people. */
#include "coracle/network.h"

#include "base/clock.h"
#include "base/json.h"
#include "container/context.h"
#include "container/inspect.h"
#include "container/networks.h"
#include "container/record.h"
#include "container/store.h"
#include "net/port.h"
#include "net/use.h"

#include <errno.h>

int cor_network_create(struct cor_context *ctx, const struct cor_network_options *options,
		       struct cor_error *err)
{
	struct network_wish wish = {.name = options->name,
				    .subnet = options->subnet,
				    .subnet_v6 = options->subnet_v6,
				    .domain = options->domain,
				    .internal = options->internal,
				    .labels = options->labels,
				    .allow_host = options->allow_host};
	_cleanup_(network_release) struct network network = {0};

	if (!options->name)
		return cor_fail(err, COR_INVALID, EINVAL, "a network needs a name");
	return network_create(ctx->roots.data_fd, &wish, &network, err);
}

/* ---- looking ---- */

static int info_fill(struct cor_context *ctx, const struct network *network, struct cor_network_info *info,
		     struct cor_error *err)
{
	char v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE];
	_free_ struct net_holder *holders = NULL;
	size_t count = 0;
	int r = net_holders(ctx->roots.run_fd, network->name, &holders, &count, err);

	if (r < 0)
		return r;
	*info = (struct cor_network_info){
		.name = xstrdup(network->name),
		.subnet = xstrdup(net_prefix_format(&network->v4, v4)),
		.subnet_v6 = xstrdup(net_prefix_format(&network->v6, v6)),
		.domain = xstrdup(network->domain),
		.internal = network->internal,
		.containers = (unsigned)count,
		.created_ns = network->created_ns,
	};
	info->labels.items = xcalloc(network->labels.count + 1, sizeof(char *));
	for (size_t i = 0; i < network->labels.count; i++)
		info->labels.items[info->labels.count++] = xstrdup(network->labels.items[i]);
	return 0;
}

int cor_network_list(struct cor_context *ctx, struct cor_network_list *ret, struct cor_error *err)
{
	struct cor_network_list list = {0};
	_strv_ struct strv names = {0};
	const char *name;
	int r = network_names(ctx->roots.data_fd, &names, err);

	if (r < 0)
		return r;
	list.items = xcalloc(names.count + 1, sizeof(*list.items));
	strv_foreach (&names, i, name) {
		_cleanup_(network_release) struct network network = {0};

		r = network_read(ctx->roots.data_fd, name, &network, err);
		if (r == -ENOENT)
			continue; /* removed meanwhile */
		r = r ?: info_fill(ctx, &network, &list.items[list.count], err);
		if (r < 0) {
			cor_network_list_release(&list);
			return r;
		}
		list.count++;
	}
	*ret = list;
	return 0;
}

void cor_network_list_release(struct cor_network_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct cor_network_info *info = &list->items[i];

		free(info->name);
		free(info->subnet);
		free(info->subnet_v6);
		free(info->domain);
		cor_strings_release(&info->labels);
	}
	free(list->items);
	*list = (struct cor_network_list){0};
}

static void add_subnet(json_t *list, const struct net_prefix *subnet)
{
	struct net_prefix gateway = net_prefix_host(subnet, NETWORK_GATEWAY);
	char text[NET_TEXT_SIZE], first[NET_TEXT_SIZE];

	if (subnet->family)
		json_array_append_new(list, json_pack("{s:s, s:s}", "Subnet", net_prefix_format(subnet, text),
						      "Gateway", net_address_format(&gateway, first)));
}

static json_t *containers_json(struct cor_context *ctx, const struct net_holder *holders, size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++) {
		_cleanup_(container_record_release) struct container_record record = {0};
		char mac[MAC_TEXT_SIZE], v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE];

		if (!id_valid(holders[i].id))
			continue;
		(void)container_record_read(&ctx->roots, holders[i].id, &record, NULL);
		json_object_set_new(object, holders[i].id,
				    json_pack("{s:s, s:s, s:s, s:s}", "Name", record.name ?: "", "MacAddress",
					      mac_format(holders[i].mac, mac), "IPv4Address",
					      net_prefix_format(&holders[i].v4, v4), "IPv6Address",
					      net_prefix_format(&holders[i].v6, v6)));
	}
	return object;
}

int cor_network_inspect(struct cor_context *ctx, const char *name, char **ret_json, struct cor_error *err)
{
	_cleanup_(network_release) struct network network = {0};
	_free_ struct net_holder *holders = NULL;
	_json_ json_t *document = NULL, *subnets = json_array();
	char created[CLOCK_RFC3339_SIZE];
	size_t count = 0;
	int r = network_read(ctx->roots.data_fd, name, &network, err);

	r = r ?: net_holders(ctx->roots.run_fd, name, &holders, &count, err);
	if (r < 0)
		return r;
	add_subnet(subnets, &network.v4);
	add_subnet(subnets, &network.v6);
	document = json_pack("{s:s, s:s, s:s, s:b, s:s, s:{s:O}, s:b, s:o, s:o, s:o}", "Name", network.name,
			     "Created", clock_format(network.created_ns, created), "Driver", "bridge",
			     "EnableIPv6", network.v6.family != 0, "Domain", network.domain, "IPAM", "Config",
			     subnets, "Internal", (int)network.internal, "AllowHost",
			     json_from_strv(&network.allow_host), "Containers",
			     containers_json(ctx, holders, count), "Labels", inspect_labels(&network.labels));
	*ret_json = json_dumps(document, JSON_INDENT(2));
	return *ret_json ? 0 : cor_fail(err, COR_INTERNAL, EINVAL, "inspect network '%s': no document", name);
}

/* ---- removing ---- */

int cor_network_remove(struct cor_context *ctx, const char *name, struct cor_error *err)
{
	return net_forget(ctx->roots.data_fd, ctx->roots.run_fd, name, err);
}

/* The networks that containers name, whether they run or not. */
static int named_networks(struct cor_context *ctx, struct strv *ret, struct cor_error *err)
{
	_strv_ struct strv ids = {0};
	const char *id, *text;
	int r = container_ids(&ctx->roots, &ids, err);

	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		_cleanup_(container_record_release) struct container_record record = {0};

		if (container_record_read(&ctx->roots, id, &record, NULL) < 0)
			continue;
		strv_foreach (&record.networks, j, text)
			strv_take(ret, xstrndup(text, strcspn(text, ",")));
	}
	return 0;
}

int cor_network_prune(struct cor_context *ctx, struct cor_strings *ret_removed, struct cor_error *err)
{
	_strv_ struct strv named = {0}, names = {0};
	const char *name;
	int r = network_names(ctx->roots.data_fd, &names, err);

	r = r ?: named_networks(ctx, &named, err);
	if (r < 0)
		return r;
	ret_removed->items = xcalloc(names.count + 1, sizeof(char *));
	ret_removed->count = 0;
	strv_foreach (&names, i, name) {
		struct cor_error one;

		if (str_equal(name, NETWORK_DEFAULT) || strv_contains(&named, name))
			continue;
		/* One that is in use all the same is a container's that is being made. */
		if (net_forget(ctx->roots.data_fd, ctx->roots.run_fd, name, &one) == 0)
			ret_removed->items[ret_removed->count++] = xstrdup(name);
		else if (one.status != COR_BUSY && one.status != COR_NOT_FOUND)
			return cor_fail(err, one.status, one.err, "%s", one.msg);
	}
	return 0;
}

char *cor_network_usual(struct cor_context *ctx, char **ret_why)
{
	return networks_usual(ret_why);
}

char *cor_network_lacks(struct cor_context *ctx, const char *const *networks)
{
	return networks_lack(networks);
}

int cor_network_repair(struct cor_context *ctx, unsigned *ret_networks, unsigned *ret_removed,
		       struct cor_error *err)
{
	struct net_repairs repairs;
	int r = net_repair(ctx->roots.run_fd, &repairs, err);

	if (r < 0)
		return r;
	if (ret_networks)
		*ret_networks = repairs.networks;
	if (ret_removed)
		*ret_removed = repairs.removed;
	return 0;
}
