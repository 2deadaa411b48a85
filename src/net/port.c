/* SPDX-License-Identifier: Apache-2.0 */
/* The order of joining: the lease first, since nothing else says that a network is in use; then the tap, down. The order of connecting: its rules, and only then
 * it goes up. */
#include "net/port.h"

#include "base/json.h"
#include "base/log.h"
#include "net/child.h"
#include "net/firewall.h"
#include "net/life.h"
#include "net/link.h"
#include "net/names.h"
#include "net/nft.h"
#include "net/resolved.h"
#include "net/state.h"
#include "net/tap.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>

void net_port_init(struct net_port *port)
{
	*port = (struct net_port){.lease_fd = -1};
	tap_init(&port->tap);
}

/* ---- who it is ---- */

static unsigned hex_byte(const char *digits)
{
	return (unsigned)strtoul((const char[]){digits[0], digits[1], 0}, NULL, 16);
}

void net_choose_mac(const struct net_request *request, const struct net_member *member, uint8_t mac[6])
{
	if (request->has_mac) {
		memcpy(mac, request->mac, 6);
		return;
	}
	mac[0] = 0x02;
	for (unsigned i = 1; i < 6; i++)
		mac[i] = (uint8_t)hex_byte(member->id + 2 * (i + member->index));
}

struct mac_search {
	const uint8_t *mac;
	bool found;
};

static void find_mac(const struct lease *lease, bool held, void *context)
{
	struct mac_search *search = context;

	search->found |= held && memcmp(lease->mac, search->mac, 6) == 0;
}

static int wanted_number(const struct net_prefix *subnet, const struct net_prefix *wanted, uint32_t last,
			 uint32_t *number, struct cor_error *err)
{
	char text[NET_TEXT_SIZE], in[NET_TEXT_SIZE];
	uint32_t found;

	if (!wanted->family)
		return 0;
	if (!subnet->family || net_prefix_number(subnet, wanted, &found) < 0 || found < NETWORK_FIRST_HOST ||
	    found > last)
		return cor_fail(err, COR_INVALID, EINVAL,
				"address %s is none of %s that a container can have",
				net_address_format(wanted, text), net_prefix_format(subnet, in));
	if (*number && *number != found)
		return cor_fail(err, COR_INVALID, EINVAL,
				"ip= and ip6= must end alike: a container has one place in both subnets");
	*number = found;
	return 0;
}

static int take_lease(const struct net_active *active, const struct net_request *request,
		      const struct net_member *member, struct net_port *port, struct cor_error *err)
{
	const struct network *network = &active->network;
	uint32_t last = net_prefix_last(&network->v4), number = 0;
	struct mac_search search = {.mac = port->lease.mac};
	int r = wanted_number(&network->v4, &request->v4, last, &number, err);

	r = r ?: wanted_number(&network->v6, &request->v6, last, &number, err);
	if (r < 0)
		return r;
	net_choose_mac(request, member, port->lease.mac);
	memcpy(port->lease.id, member->id, ID_SIZE);
	snprintf(port->lease.device, sizeof(port->lease.device), "cor%.11s%x", member->id,
		 member->index & 15);
	r = lease_each(active->leases, find_mac, &search);
	if (r == 0 && search.found)
		return cor_fail(err, COR_EXISTS, EADDRINUSE, "another container has that MAC address");
	return lease_take(active->leases, NETWORK_FIRST_HOST, last, number, &port->lease, &port->lease_fd,
			  err);
}

static void fill_port(const struct network *network, const struct net_request *request, struct net_port *port)
{
	snprintf(port->network, sizeof(port->network), "%s", network->name);
	snprintf(port->domain, sizeof(port->domain), "%s", network->domain);
	port->v4 = net_prefix_host(&network->v4, port->lease.number);
	port->gateway4 = net_prefix_host(&network->v4, NETWORK_GATEWAY);
	if (network->v6.family) {
		port->v6 = net_prefix_host(&network->v6, port->lease.number);
		port->gateway6 = net_prefix_host(&network->v6, NETWORK_GATEWAY);
	}
	port->internal = network->internal;
	port->mtu = request->mtu;
}

/* ---- its device ---- */

static int make_device(struct net_state *state, const struct net_active *active, unsigned queues,
		       struct net_port *port, struct cor_error *err)
{
	const char *name = port->lease.device;
	int index, r = tap_open(name, queues, &port->tap);

	if (r < 0)
		return cor_fail_errno(err, r, "the tap device %s", name);
	index = link_index(name);
	r = index < 0 ? index
		      : link_join_bridge(state->netlink, index, link_index(active->bridge), port->mtu);
	r = r ?: link_pin(state->netlink, index, port->lease.mac);
	r = r ?: net_state_introduce(state, active, &port->lease, true);
	return r < 0 ? cor_fail_errno(err, r, "the tap device %s", name) : 0;
}

static int add_names(const struct net_active *active, const struct net_request *request,
		     const struct net_member *member, const struct net_port *port)
{
	const char **names = xcalloc(request->aliases.count + 3, sizeof(*names));
	char file[12];
	struct names_host host = {.file = file, .v4 = port->v4, .v6 = port->v6, .names = names};
	const char *alias;
	size_t count = 0;
	int r;

	snprintf(file, sizeof(file), "%u", port->lease.number);
	names[count++] = member->name;
	strv_foreach (&request->aliases, i, alias)
		names[count++] = alias;
	if (!str_equal(member->name, member->hostname))
		names[count++] = member->hostname;
	r = names_add(active->dir, &active->network, &host);
	free(names);
	return r;
}

/* ---- both ways ---- */

static int join(struct net_state *state, struct net_active *active, const struct net_request *request,
		const struct net_member *member, struct net_port *port, struct cor_error *err)
{
	int r = take_lease(active, request, member, port, err);

	if (r < 0)
		return cor_context(err, r, "network '%s'", active->network.name);
	fill_port(&active->network, request, port);
	r = make_device(state, active, member->queues, port, err);
	if (r == 0)
		r = add_names(active, request, member, port);
	if (r < 0)
		return r;
	return 0;
}

static int connect_port(struct net_state *state, struct net_port *port, struct cor_error *err)
{
	struct firewall_port rules = {.device = port->lease.device,
				      .v4 = port->v4,
				      .v6 = port->v6,
				      .gateway4 = port->gateway4,
				      .gateway6 = port->gateway6};
	char table[FIREWALL_TABLE_SIZE];
	_json_ json_t *commands = json_array();
	struct net_active active;
	int r = net_state_find(state, port->network, &active, err);

	if (r < 0)
		return r;
	net_table_name(state, table);
	memcpy(rules.mac, port->lease.mac, sizeof(rules.mac));
	firewall_add_port(commands, table, &rules);
	r = net_state_rule(state, &active, commands, &port->names_error, err);
	net_active_release(&active);
	if (r < 0)
		return r;
	r = link_set_up(state->netlink, link_index(port->lease.device), true);
	return r < 0 ? cor_fail_errno(err, r, "the tap device %s", port->lease.device) : 0;
}

int net_connect(int run_dir, struct net_port *port, struct cor_error *err)
{
	struct net_state state;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	r = connect_port(&state, port, err);
	net_state_release(&state);
	return r;
}

/* From here on nobody has it; its rules, and what is written of it, go when they are swept. */
static void give_back(const struct net_active *active, struct net_port *port)
{
	char file[12];

	snprintf(file, sizeof(file), "%u", port->lease.number);
	names_remove(active->dir, file);
	close_fd(&port->lease_fd);
}

static void undo(struct net_state *state, struct net_active *active, struct net_port *port)
{
	tap_close(&port->tap);
	if (port->lease_fd >= 0)
		give_back(active, port);
	(void)net_state_settle(state, active, &(unsigned){0}, NULL);
}

int net_join(int data_dir, int run_dir, const struct net_request *request, const struct net_member *member,
	     struct net_port *ret, struct cor_error *err)
{
	_cleanup_(network_release) struct network network = {0};
	struct net_port port;
	struct net_active active;
	struct net_state state;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	net_port_init(&port);
	/* Under the lock: who removes it holds that too. */
	r = network_need(data_dir, request->network, &network, err);
	r = r ?: net_state_up(&state, &network, &active, err);
	if (r == 0) {
		net_state_wish_resolved(&active, resolved_wished(data_dir, active.network.domain));
		r = join(&state, &active, request, member, &port, err);
		if (r < 0)
			undo(&state, &active, &port);
		net_active_release(&active);
	}
	net_state_release(&state);
	if (r == 0)
		*ret = port;
	return r;
}

/* ---- leaving ---- */

struct leaving {
	struct net_state state;
	struct net_active active;
	struct net_port *port;
};

static void leaving_release(struct leaving *leaving)
{
	tap_close(&leaving->port->tap);
	net_active_release(&leaving->active);
	net_state_release(&leaving->state);
}

static int begin_to_leave(int run_dir, struct net_port *port, struct leaving *ret, struct cor_error *err)
{
	struct leaving leaving = {.port = port};
	int r = net_state_open(run_dir, &leaving.state, err);

	if (r == 0) {
		r = net_state_find(&leaving.state, port->network, &leaving.active, err);
		if (r < 0)
			net_state_release(&leaving.state);
	}
	if (r < 0) {
		tap_close(&port->tap);
		close_fd(&port->lease_fd);
		return r;
	}
	give_back(&leaving.active, port);
	*ret = leaving;
	return 0;
}

/* The device goes down before its rules go, and is gone when the last descriptor of it is closed, for which the kernel takes its time. */
static int end_leaving(struct leaving *leaving, struct cor_error *err)
{
	int index = link_index(leaving->port->lease.device);

	if (index > 0)
		(void)link_set_up(leaving->state.netlink, index, false);
	return net_state_settle(&leaving->state, &leaving->active, &(unsigned){0}, err);
}

int net_leave(int run_dir, struct net_port *port, struct cor_error *err)
{
	struct leaving leaving;
	int r;

	if (port->lease_fd < 0)
		return 0;
	r = begin_to_leave(run_dir, port, &leaving, err);
	if (r < 0)
		return r;
	r = end_leaving(&leaving, err);
	leaving_release(&leaving);
	return r;
}

static void end_alone(void *context)
{
	struct cor_error err;

	if (end_leaving(context, &err) < 0)
		log_warning("%s", err.msg);
	leaving_release(context);
}

int net_leave_soon(int run_dir, struct net_port *port, struct cor_error *err)
{
	struct leaving leaving;
	int r;

	if (port->lease_fd < 0)
		return 0;
	r = begin_to_leave(run_dir, port, &leaving, err);
	if (r < 0)
		return r;
	const int kept[] = {port->tap.queues[0],   leaving.state.dir,  leaving.state.lock,
			    leaving.state.netlink, leaving.active.dir, leaving.active.leases};
	if (child_carry_on(end_alone, &leaving, kept, ARRAY_SIZE(kept)) < 0)
		r = end_leaving(&leaving, err);
	leaving_release(&leaving);
	return r;
}

/* ---- whether at all ---- */

static bool may_administer(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	return syscall(SYS_capget, &header, data) == 0 && data[0].effective & 1u << CAP_NET_ADMIN;
}

int net_usable(struct cor_error *err)
{
	_free_ char *nft = NULL;

	if (geteuid() != 0 || !may_administer())
		return cor_fail(err, COR_PERMISSION, EPERM, "only root may make bridges");
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		return cor_fail(err, COR_UNSUPPORTED, errno, "this host has no /dev/net/tun");
	nft = program_path("nft");
	if (!nft)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT,
				"there is no nft: install the package nftables");
	return 0;
}
