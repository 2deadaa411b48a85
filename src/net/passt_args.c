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

static bool is_every(const struct net_prefix *address)
{
	static const uint8_t zero[16] = {0};

	return memcmp(address->bytes, zero, net_size(address)) == 0;
}

/* Another entry for the same port of the host; NULL: none. */
static const struct publish *find_other(const struct publish_list *ports, size_t index)
{
	const struct publish *port = &ports->items[index];

	for (size_t i = 0; i < ports->count; i++)
		if (i != index && ports->items[i].protocol == port->protocol &&
		    ports->items[i].host_port == port->host_port)
			return &ports->items[i];
	return NULL;
}

/* passt takes a port at one address, or at all of both families: 0.0.0.0 and :: are two for those who bind them, and one here. */
static int check_port(const struct passt_spec *spec, const struct publish *port, const struct publish *other,
		      struct cor_error *err)
{
	bool every = is_every(&port->address);

	if (other && !(every && is_every(&other->address)))
		return cor_fail(
			err, COR_UNSUPPORTED, EOPNOTSUPP,
			"port %u/%s is published at two addresses, which the user-mode network cannot do: "
			"publish it at one, or at all",
			port->host_port, publish_protocol_name(port->protocol));
	if (port->address.family == AF_INET6 && !other && !spec->v6)
		return cor_fail(
			err, COR_UNSUPPORTED, EOPNOTSUPP,
			"port %u/%s cannot be published at an IPv6 address: this host has no device with "
			"a link-local one, which passt needs",
			port->host_port, publish_protocol_name(port->protocol));
	return 0;
}

static int add_port(const struct passt_spec *spec, size_t index, struct strv *args, struct cor_error *err)
{
	const struct publish *port = &spec->ports->items[index];
	const struct publish *other = find_other(spec->ports, index);
	bool all = other || !port->address.family;
	char address[NET_TEXT_SIZE];
	int r = check_port(spec, port, other, err);

	/* The first of two stands for both. */
	if (r < 0 || (other && other < port))
		return r;
	strv_add(args, port->protocol == IPPROTO_UDP ? "--udp-ports" : "--tcp-ports");
	/* One by one: of a range it is content with the first that it gets. */
	strv_addf(args, "%s%s%u:%u", all ? "" : net_address_format(&port->address, address), all ? "" : "/",
		  port->host_port, port->container_port);
	return 0;
}

static void add_none(const char *option, struct strv *args)
{
	strv_add(args, option);
	strv_add(args, "none");
}

static int add_ports(const struct passt_spec *spec, struct strv *args, struct cor_error *err)
{
	static const struct publish_list none = {0};
	const struct publish_list *ports = spec->ports ?: &none;
	bool udp = has_udp(ports);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ports->count; i++)
		r = add_port(spec, i, args, err);
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
	r = add_ports(spec, &args, err);
	if (r < 0)
		return r;
	*ret = args;
	args = (struct strv){0};
	return 0;
}
