/* SPDX-License-Identifier: Apache-2.0 */
/* The container's networks: joined before its machine starts, told to the guest before its process is made, left when the machine is gone. The lease's flock
 * and the tap live in this process, so that its death by any means frees both. */
#include "shim/shim.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"
#include "net/names.h"

#include <errno.h>

/* Where inspect looks while the container runs. */
#define NETWORK_FILE "network.json"

/* ---- joining ---- */

static int join_one(struct shim *shim, const char *text, struct cor_error *err)
{
	_cleanup_(net_request_release) struct net_request request = {0};
	_free_ char *hostname = NULL;
	struct net_member member = {
		.id = shim->id,
		.index = (unsigned)shim->port_count,
		.name = shim->record.name,
		/* The kernel serves what a real processor fills. */
		.queues = shim->accelerator.accelerator == VM_KVM ? shim->record.machine.cpus : 0};
	struct net_port *port = &shim->ports[shim->port_count];
	int r = net_request_parse(text, &request, err);

	if (r == 0 && file_read(shim->data_dir, "files/hostname", 256, &hostname, NULL) == 0)
		hostname[strcspn(hostname, "\n")] = '\0';
	member.hostname = hostname;
	if (r == 0 && str_equal(request.network, NETWORK_USER))
		r = user_network_join(shim, &request, &member, port, err);
	else if (r == 0)
		r = net_join(shim->roots.data_fd, shim->roots.run_fd, &request, &member, port, err);
	if (r < 0)
		return r;
	shim->port_count++;
	return 0;
}

static int connect_one(const struct shim *shim, struct net_port *port, struct cor_error *err)
{
	int r = port->user ? 0 : net_connect(shim->roots.run_fd, port, err);

	if (r == 0 && port->names_error == -ENOENT)
		log_warning("network '%s': " NAMES_LACK, port->network);
	else if (r == 0 && port->names_error < 0)
		log_warning("network '%s': dnsmasq does not start: %s", port->network,
			    strerror(-port->names_error));
	return r;
}

static json_t *port_json(const struct net_port *port)
{
	char v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE], gateway4[NET_TEXT_SIZE], gateway6[NET_TEXT_SIZE],
		mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:i}", "MacAddress",
			 mac_format(port->lease.mac, mac), "Gateway",
			 net_address_format(&port->gateway4, gateway4), "IPAddress",
			 net_address_format(&port->v4, v4), "IPPrefixLen", (int)port->v4.length,
			 "IPv6Gateway", net_address_format(&port->gateway6, gateway6), "GlobalIPv6Address",
			 net_address_format(&port->v6, v6), "Device", port->lease.device,
			 "GlobalIPv6PrefixLen", (int)(port->v6.family ? port->v6.length : 0));
}

static int tell(const struct shim *shim, struct cor_error *err)
{
	_json_ json_t *document = json_object();

	for (size_t i = 0; i < shim->port_count; i++)
		json_object_set_new(document, shim->ports[i].network, port_json(&shim->ports[i]));
	return json_write_file(shim->run_dir, NETWORK_FILE, document, 0600, err);
}

int network_join_all(struct shim *shim, struct cor_error *err)
{
	const struct strv *networks = &shim->record.networks;
	const char *text;
	int r = 0;

	if (!networks->count)
		return 0;
	shim->ports = xcalloc(networks->count, sizeof(*shim->ports));
	strv_foreach (networks, i, text)
		r = r ?: join_one(shim, text, err);
	r = r ?: tell(shim, err);
	if (r == 0)
		shim_time(shim, "shim", "network joined");
	return r;
}

int network_connect_all(struct shim *shim, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < shim->port_count; i++)
		r = connect_one(shim, &shim->ports[i], err);
	if (r < 0 || !shim->port_count)
		return r;
	network_watch_begin(shim);
	shim_time(shim, "shim", "network connected");
	return 0;
}

void network_leave_all(struct shim *shim)
{
	struct cor_error err;

	network_watch_end(shim);
	if (shim->port_count)
		unlinkat(shim->run_dir, NETWORK_FILE, 0);
	for (size_t i = 0; i < shim->port_count; i++)
		if (shim->ports[i].user)
			tap_close(&shim->ports[i].tap);
		else if (net_leave_soon(shim->roots.run_fd, &shim->ports[i], &err) < 0)
			log_warning("%s", err.msg);
	user_network_leave(shim);
	free(shim->ports);
	shim->ports = NULL;
	shim->port_count = 0;
}

/* ---- the machine ---- */

struct vm_nic *network_nics(const struct shim *shim)
{
	struct vm_nic *nics = xcalloc(shim->port_count + 1, sizeof(*nics) + MAC_TEXT_SIZE);
	char *macs = (char *)(nics + shim->port_count + 1);

	for (size_t i = 0; i < shim->port_count; i++) {
		const struct tap *tap = &shim->ports[i].tap;
		bool served = tap->vhosts[0] >= 0;

		nics[i] = (struct vm_nic){
			.kind = shim->ports[i].user ? VM_NIC_STREAM : VM_NIC_TAP,
			.fds = tap->queues,
			.vhost_fds = served ? tap->vhosts : NULL,
			/* A second VMM, after one that could not use KVM, takes the first queue alone. */
			.queues = served ? tap->count : 1,
			.mac = mac_format(shim->ports[i].lease.mac, macs + i * MAC_TEXT_SIZE),
		};
	}
	return nics;
}

void network_handed_over(struct shim *shim)
{
	for (size_t i = 0; i < shim->port_count; i++)
		tap_close_vhosts(&shim->ports[i].tap);
}

/* ---- the guest ---- */

#define ADDRESSES_MAX 2

struct network_message {
	Coracle__Agent__V1__ConfigureNetworkRequest request;
	struct strv texts; /* what the rest points to */
	Coracle__Agent__V1__Interface *interfaces[NETWORKS_MAX], interface_items[NETWORKS_MAX];
	Coracle__Agent__V1__Route *routes[ADDRESSES_MAX], route_items[ADDRESSES_MAX];
	char *addresses[NETWORKS_MAX][ADDRESSES_MAX];
};

static char *keep(struct network_message *message, const char *text)
{
	strv_add(&message->texts, text);
	return message->texts.items[message->texts.count - 1];
}

static void add_interface(struct network_message *message, const struct net_port *port, bool saved)
{
	const struct net_prefix *addresses[] = {&port->v4, &port->v6};
	size_t i = message->request.n_interfaces++;
	Coracle__Agent__V1__Interface *interface = &message->interface_items[i];
	char mac[MAC_TEXT_SIZE], name[16], text[NET_TEXT_SIZE];

	coracle__agent__v1__interface__init(interface);
	snprintf(name, sizeof(name), "eth%zu", i);
	interface->mac = keep(message, mac_format(port->lease.mac, mac));
	/* The card has the address that the saved machine gave it. */
	if (saved) {
		uint8_t bytes[6];

		interface->new_mac = interface->mac;
		saved_mac(i, bytes);
		interface->mac = keep(message, mac_format(bytes, mac));
	}
	interface->name = keep(message, name);
	interface->mtu = port->mtu;
	interface->addresses = message->addresses[i];
	for (size_t a = 0; a < ARRAY_SIZE(addresses); a++)
		if (addresses[a]->family)
			interface->addresses[interface->n_addresses++] =
				keep(message, net_prefix_format(addresses[a], text));
	message->interfaces[i] = interface;
}

static void add_default_route(struct network_message *message, const struct net_prefix *gateway,
			      const char *interface)
{
	Coracle__Agent__V1__Route *route = &message->route_items[message->request.n_routes];
	char text[NET_TEXT_SIZE];

	if (!gateway->family)
		return;
	coracle__agent__v1__route__init(route);
	route->destination = keep(message, "default");
	route->gateway = keep(message, net_address_format(gateway, text));
	/* A gateway of the link's alone (fe80::1) is on each of them. */
	route->interface = keep(message, interface);
	message->routes[message->request.n_routes++] = route;
}

/* The first network that leads out does so for all. */
static size_t way_out(const struct shim *shim)
{
	size_t i = 0;

	while (i < shim->port_count && shim->ports[i].internal)
		i++;
	return i;
}

bool network_leads_out(const struct shim *shim)
{
	return way_out(shim) < shim->port_count;
}

struct network_message *network_message_new(const struct shim *shim)
{
	struct network_message *message = xcalloc(1, sizeof(*message));
	size_t out = way_out(shim);

	coracle__agent__v1__configure_network_request__init(&message->request);
	message->request.interfaces = message->interfaces;
	message->request.routes = message->routes;
	for (size_t i = 0; i < shim->port_count; i++)
		add_interface(message, &shim->ports[i], shim->from_saved);
	if (out < shim->port_count) {
		const char *interface = message->interface_items[out].name;

		add_default_route(message, &shim->ports[out].gateway4, interface);
		add_default_route(message, &shim->ports[out].gateway6, interface);
	}
	return message;
}

const ProtobufCMessage *network_message_request(const struct network_message *message)
{
	return &message->request.base;
}

void network_message_free(struct network_message *message)
{
	strv_release(&message->texts);
	free(message);
}

/* ---- its files ---- */

/* The line of its own name (container/guest_files.c) gets the addresses that it has now. */
static void amend_hosts(const struct shim *shim, const char *text, struct buffer *out)
{
	static const char own[] = "127.0.1.1\t";

	while (*text) {
		size_t length = strcspn(text, "\n");
		const char *names = str_after(text, own);
		char address[NET_TEXT_SIZE];

		if (!names)
			buffer_printf(out, "%.*s\n", (int)length, text);
		for (size_t i = 0; names && i < shim->port_count; i++) {
			int size = (int)(length - strlen(own));

			buffer_printf(out, "%s\t%.*s\n", net_address_format(&shim->ports[i].v4, address),
				      size, names);
			if (shim->ports[i].v6.family)
				buffer_printf(out, "%s\t%.*s\n",
					      net_address_format(&shim->ports[i].v6, address), size, names);
		}
		text += length + (text[length] == '\n');
	}
}

static bool has_line(const char *text, const char *keyword)
{
	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (str_after(p, keyword))
			return true;
	}
	return false;
}

/* The host's own, which passt passes on where they are on its loopback. By UDP alone, so that answers should fit into that. */
static void add_hosts_resolvers(const struct resolvers *resolvers, const char *text, struct buffer *out)
{
	const char *item;

	strv_foreach (&resolvers->servers, i, item)
		buffer_printf(out, "nameserver %s\n", item);
	if (resolvers->search.count && !has_line(text, "search ")) {
		buffer_printf(out, "search");
		strv_foreach (&resolvers->search, i, item)
			buffer_printf(out, " %s", item);
		buffer_printf(out, "\n");
	}
	if ((resolvers->forward4 || resolvers->forward6) && !has_line(text, "options "))
		buffer_printf(out, "options edns0\n");
}

/* Names of containers are not served then, but others are to be found. Where the file names systemd-resolved, which listens on the host's loopback, that one knows whom it asks. */
static void do_without_names(const char *text, struct buffer *out)
{
	_cleanup_(resolvers_release) struct resolvers resolvers = {0};

	resolvers_read("/etc/resolv.conf", &resolvers);
	if (!resolvers.servers.count) {
		resolvers_release(&resolvers);
		resolvers_read("/run/systemd/resolve/resolv.conf", &resolvers);
	}
	resolvers.forward4 = resolvers.forward6 = false;
	add_hosts_resolvers(&resolvers, text, out);
}

/* What the user named stays; what was left open is the first network's. */
static void amend_resolv_conf(const struct shim *shim, const char *text, struct buffer *out)
{
	const struct net_port *port = &shim->ports[0];
	char address[NET_TEXT_SIZE];

	if (!has_line(text, "nameserver ") && port->user) {
		add_hosts_resolvers(user_network_resolvers(shim), text, out);
	} else if (!has_line(text, "nameserver ") && port->names_error == 0) {
		buffer_printf(out, "nameserver %s\n", net_address_format(&port->gateway4, address));
		if (!has_line(text, "search "))
			buffer_printf(out, "search %s\n", port->domain);
	} else if (!has_line(text, "nameserver ") && !port->internal) {
		do_without_names(text, out);
	}
	buffer_printf(out, "%s", text);
}

void network_amend_file(const struct shim *shim, const char *name, char **text, size_t *size)
{
	_buffer_ struct buffer out = {0};

	if (!shim->port_count)
		return;
	if (str_equal(name, "hosts"))
		amend_hosts(shim, *text, &out);
	else if (str_equal(name, "resolv.conf"))
		amend_resolv_conf(shim, *text, &out);
	else
		return;
	free(*text);
	*size = buffer_size(&out);
	*text = xmalloc(*size + 1);
	memcpy(*text, buffer_bytes(&out) ?: (const uint8_t *)"", *size);
	(*text)[*size] = '\0';
}
