/* SPDX-License-Identifier: Apache-2.0 */
#include "net/published.h"

#include "base/file.h"
#include "base/json.h"
#include "net/conntrack.h"

#include <errno.h>

#define FILE_MAX (1u << 20)

void firewall_targets_release(struct firewall_targets *targets)
{
	free(targets->items);
	*targets = (struct firewall_targets){0};
}

static char *file_of(uint32_t number)
{
	return str_format("ports/%u", number);
}

int published_write(int dir, uint32_t number, const struct publish_list *ports)
{
	_json_ json_t *document = json_pack("{s:o}", "publish", publish_list_to_json(ports));
	_free_ char *path = file_of(number);
	int r = dir_make_all(dir, "ports", 0700);

	return r ?: json_write_file(dir, path, document, 0600, NULL);
}

bool published_is(int dir, uint32_t number)
{
	_free_ char *path = file_of(number);

	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void add(const struct network *network, uint32_t number, const struct publish *port,
		struct firewall_targets *targets)
{
	const struct net_prefix *subnet = port->address.family == AF_INET ? &network->v4 : &network->v6;

	if (!port->address.family || !subnet->family || !port->host_port)
		return;
	targets->items = xreallocarray(targets->items, targets->count + 1, sizeof(*targets->items));
	targets->items[targets->count++] = (struct firewall_target){
		.address = port->address,
		.to = net_prefix_host(subnet, number),
		.host_port = port->host_port,
		.container_port = port->container_port,
		.protocol = port->protocol,
	};
}

void published_read(int dir, const struct network *network, uint32_t number, struct firewall_targets *targets)
{
	_publish_list_ struct publish_list list = {0};
	_free_ char *path = file_of(number);
	_json_ json_t *document = NULL;

	if (json_read_file(dir, path, FILE_MAX, &document, NULL) < 0 ||
	    publish_list_from_json(json_object_get(document, "publish"), &list) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		add(network, number, &list.items[i], targets);
}

void published_forget(int dir, const struct network *network, uint32_t number)
{
	const struct net_prefix *subnets[] = {&network->v4, &network->v6};
	_free_ char *path = file_of(number);

	if (!published_is(dir, number))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(subnets); i++) {
		struct net_prefix address;

		if (!subnets[i]->family)
			continue;
		address = net_prefix_host(subnets[i], number);
		(void)conntrack_forget(&address);
	}
	unlinkat(dir, path, 0);
}
