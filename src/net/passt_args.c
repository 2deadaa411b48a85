/* SPDX-License-Identifier: Apache-2.0 */
/* What passt does when it is not told otherwise: it takes the host's addresses for the guest, gives them out by DHCP, DHCPv6 and router advertisements, and makes
 * the gateway's address the host's loopback. Here the guest is told its addresses by its agent, and the gateway is nobody.
 *
 * But for one case: a UDP datagram that came from the host's loopback to a published port is answered to the gateway, and with --no-map-gw the answer goes to whoever has
 * that address. So it stays off where UDP ports are published, and net/guard.h alone keeps the guest from the loopback. */
#include "net/passt_args.h"

#include <errno.h>
#include <netinet/in.h>

static bool has_udp(const struct publish_list *ports)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].protocol == IPPROTO_UDP)
			return true;
	return false;
}

static int add_port(const struct publish_list *ports, size_t index, struct strv *args, struct cor_error *err)
{
	const struct publish *port = &ports->items[index];
	char address[NET_TEXT_SIZE];

	for (size_t i = 0; i < index; i++)
		if (ports->items[i].protocol == port->protocol &&
		    ports->items[i].host_port == port->host_port)
			return cor_fail(err, COR_UNSUPPORTED, EOPNOTSUPP,
					"port %u/%s is published at two addresses, which the user-mode "
					"network cannot do: "
					"publish it at one, or at all",
					port->host_port, publish_protocol_name(port->protocol));
	strv_add(args, port->protocol == IPPROTO_UDP ? "--udp-ports" : "--tcp-ports");
	/* One by one: of a range it is content with the first that it gets. */
	strv_addf(args, "%s%s%u:%u", net_address_format(&port->address, address),
		  port->address.family ? "/" : "", port->host_port, port->container_port);
	return 0;
}

static void add_none(const char *option, struct strv *args)
{
	strv_add(args, option);
	strv_add(args, "none");
}

static int add_ports(const struct publish_list *ports, struct strv *args, struct cor_error *err)
{
	bool udp = has_udp(ports);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ports->count; i++)
		r = add_port(ports, i, args, err);
	if (!udp) {
		add_none("--udp-ports", args);
		strv_add(args, "--no-map-gw");
	}
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i].protocol != IPPROTO_UDP)
			return r;
	add_none("--tcp-ports", args);
	return r;
}

static void add_pair(const char *option, const char *value, struct strv *args)
{
	strv_add(args, option);
	strv_addf(args, "%.*s", (int)strcspn(value, "/"), value);
}

static void add_addresses(const struct passt_spec *spec, struct strv *args)
{
	add_pair("--address", PASST_V4, args);
	add_pair("--netmask", strchr(PASST_V4, '/') + 1, args);
	add_pair("--gateway", PASST_V4_GATE, args);
	if (spec->dns4)
		add_pair("--dns-forward", PASST_V4_DNS, args);
	if (!spec->v6) {
		strv_add(args, "--ipv4-only");
		return;
	}
	add_pair("--address", PASST_V6, args);
	add_pair("--gateway", PASST_V6_GATE, args);
	if (spec->dns6)
		add_pair("--dns-forward", PASST_V6_DNS, args);
}

int passt_args(const struct passt_spec *spec, struct strv *ret, struct cor_error *err)
{
	static const char *const constant[] = {"--foreground", "--quiet", "--stderr",   "--no-dhcp",
					       "--no-dhcpv6",  "--no-ra", "--mac-addr", "02:00:c0:00:00:01",
					       "--search",     "none"};
	static const struct publish_list no_ports = {0};
	_strv_ struct strv args = {0};
	int r;

	strv_add(&args, spec->program);
	for (size_t i = 0; i < ARRAY_SIZE(constant); i++)
		strv_add(&args, constant[i]);
	strv_add(&args, "--fd");
	strv_addf(&args, "%d", spec->line_fd);
	strv_add(&args, "--pid");
	strv_addf(&args, "/proc/self/fd/%d", spec->ready_fd);
	strv_add(&args, "--interface");
	strv_add(&args, spec->template);
	strv_add(&args, "--mtu");
	strv_addf(&args, "%u", spec->mtu);
	add_addresses(spec, &args);
	/* Otherwise it reads the host's resolv.conf, of which the first of each family is the one that is forwarded to. */
	if (!spec->dns4 && !spec->dns6)
		add_pair("--dns", "none", &args);
	if (spec->uid != (uid_t)-1) {
		strv_add(&args, "--runas");
		strv_addf(&args, "%u:%u", spec->uid, spec->uid);
	}
	r = add_ports(spec->ports ?: &no_ports, &args, err);
	if (r < 0)
		return r;
	*ret = args;
	args = (struct strv){0};
	return 0;
}
