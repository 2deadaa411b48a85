/* SPDX-License-Identifier: Apache-2.0 */
#include "net/state.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/netlink.h"
#include "net/firewall.h"
#include "net/forwarding.h"
#include "net/link.h"
#include "net/names.h"
#include "net/nft.h"
#include "net/resolved.h"
#include "net/subnet.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RECORD      "network.json"
#define RECORD_MAX  65536u
#define RULED       "ruled" /* a file that says that the table of networks has this one */
#define RESOLVED    "resolved"
#define DEVICES_MAX 4096u

/* FNV-1a */
static uint32_t hash(uint32_t seed, const void *data, size_t size)
{
	for (const uint8_t *p = data; size--; p++)
		seed = (seed ^ *p) * 16777619u;
	return seed;
}
#define HASH_SEED 2166136261u

static int make_tag(int run_dir, char out[NET_TAG_SIZE])
{
	struct stat root;

	if (fstat(run_dir, &root) < 0)
		return -errno;
	snprintf(out, NET_TAG_SIZE, "%08x",
		 hash(hash(HASH_SEED, &root.st_dev, sizeof(root.st_dev)), &root.st_ino, sizeof(root.st_ino)));
	return 0;
}

int net_table_of(int run_dir, char *out)
{
	struct net_state state;
	int r = make_tag(run_dir, state.tag);

	if (r == 0)
		net_table_name(&state, out);
	return r;
}

void net_table_name(const struct net_state *state, char *out)
{
	snprintf(out, FIREWALL_TABLE_SIZE, "coracle_%s", state->tag);
}

void net_bridge_name(const struct net_state *state, const char *network, char out[LEASE_DEVICE_SIZE])
{
	uint32_t h = hash(hash(HASH_SEED, state->tag, strlen(state->tag)), network, strlen(network));

	snprintf(out, LEASE_DEVICE_SIZE, "corb%08x", h);
}

/* ---- the lock ---- */

static int lock(int dir, int *ret_fd)
{
	_fd_ int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int net_state_open(int run_dir, struct net_state *ret, struct cor_error *err)
{
	struct net_state state = {.dir = -1, .lock = -1, .netlink = netlink_open()};
	_free_ char *path = NULL;
	struct stat namespace;
	int r = state.netlink < 0 ? state.netlink : make_tag(run_dir, state.tag);

	if (r == 0 && stat("/proc/self/ns/net", &namespace) < 0)
		r = -errno;
	if (r < 0)
		return cor_fail_errno(err, r, "the network of this host");
	path = str_format("net/%llu", (unsigned long long)namespace.st_ino);
	r = dir_open_make(run_dir, path, 0700, &state.dir);
	r = r ?: lock(state.dir, &state.lock);
	if (r < 0) {
		net_state_release(&state);
		return cor_fail_errno(err, r, "the state of networks");
	}
	*ret = state;
	return 0;
}

void net_state_release(struct net_state *state)
{
	close_fd(&state->netlink);
	close_fd(&state->dir);
	close_fd(&state->lock);
}

/* ---- networks that are there ---- */

void net_active_release(struct net_active *active)
{
	network_release(&active->network);
	close_fd(&active->dir);
	close_fd(&active->leases);
}

static int read_active(int dir, const char *name, struct network *network)
{
	_json_ json_t *document = NULL;
	int r = json_read_file(dir, RECORD, RECORD_MAX, &document, NULL);

	if (r == 0 && (network_parse(document, network) < 0 || strcmp(network->name, name) != 0))
		r = -EBADMSG;
	if (r < 0)
		network_release(network);
	return r;
}

static int open_active(const struct net_state *state, const char *name, bool make, struct net_active *ret)
{
	struct net_active active = {.dir = -1, .leases = -1};
	_free_ char *path = str_format("n/%s", name);
	int r;

	if (make) {
		r = dir_open_make(state->dir, path, 0700, &active.dir);
	} else {
		active.dir = open_beneath(state->dir, path, O_RDONLY | O_DIRECTORY, 0);
		r = active.dir < 0 ? active.dir : 0;
	}
	r = r ?: dir_open_make(active.dir, "leases", 0700, &active.leases);
	if (r < 0) {
		net_active_release(&active);
		return r;
	}
	net_bridge_name(state, name, active.bridge);
	*ret = active;
	return 0;
}

int net_state_names(const struct net_state *state, struct strv *ret)
{
	int fd = openat(state->dir, "n", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_dir_ DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(stream)))
		if (network_name_valid(entry->d_name))
			strv_add(ret, entry->d_name);
	return 0;
}

int net_state_find(struct net_state *state, const char *name, struct net_active *ret, struct cor_error *err)
{
	struct net_active active;
	int r = network_name_valid(name) ? open_active(state, name, false, &active) : -ENOENT;

	if (r == -ENOENT)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "network '%s' is not up", name);
	if (r < 0)
		return cor_fail_errno(err, r, "network '%s'", name);
	/* One whose record was not written yet has nothing else either. */
	if (read_active(active.dir, name, &active.network) < 0)
		snprintf(active.network.name, sizeof(active.network.name), "%s", name);
	*ret = active;
	return 0;
}

/* ---- leases ---- */

int net_state_introduce(struct net_state *state, const struct net_active *active, const struct lease *lease,
			bool there)
{
	const struct network *network = &active->network;
	struct net_prefix addresses[] = {net_prefix_host(&network->v4, lease->number),
					 net_prefix_host(&network->v6, lease->number),
					 mac_link_local(lease->mac)};
	int bridge = link_index(active->bridge), r = bridge < 0 ? bridge : 0;
	size_t count = network->v6.family ? ARRAY_SIZE(addresses) : 1;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = link_neighbour(state->netlink, bridge, &addresses[i], lease->mac, there);
	return r;
}

struct sweep {
	struct net_state *state;
	struct net_active *active;
	json_t *commands;
	const char *table;
	struct lease *held;
	size_t count;
	uint32_t *dead; /* numbers */
	size_t dead_count;
	bool published; /* one of the dead did */
};

static void sweep_one(const struct lease *lease, bool held, void *context)
{
	struct sweep *sweep = context;
	char file[12];

	if (held) {
		sweep->held = xreallocarray(sweep->held, sweep->count + 1, sizeof(*sweep->held));
		sweep->held[sweep->count++] = *lease;
		return;
	}
	if (lease->device[0]) {
		firewall_remove_port(sweep->commands, sweep->table, lease->device);
		(void)net_state_introduce(sweep->state, sweep->active, lease, false);
	}
	snprintf(file, sizeof(file), "%u", lease->number);
	names_remove(sweep->active->dir, file);
	sweep->published |= published_is(sweep->active->dir, lease->number);
	sweep->dead = xreallocarray(sweep->dead, sweep->dead_count + 1, sizeof(*sweep->dead));
	sweep->dead[sweep->dead_count++] = lease->number;
}

/* Their rules are gone: nothing is left of the dead. */
static void forget_dead(struct sweep *sweep)
{
	for (size_t i = 0; i < sweep->dead_count; i++) {
		published_forget(sweep->active->dir, &sweep->active->network, sweep->dead[i]);
		lease_forget(sweep->active->leases, sweep->dead[i]);
	}
	sweep->dead_count = 0;
}

static void sweep_release(struct sweep *sweep)
{
	free(sweep->held);
	free(sweep->dead);
}

/* ---- the rules ---- */

struct listed {
	struct net_active *items;
	struct firewall_network *rules;
	size_t count;
};

static void listed_release(struct listed *listed)
{
	for (size_t i = 0; i < listed->count; i++)
		net_active_release(&listed->items[i]);
	free(listed->items);
	free(listed->rules);
}

static void list_active(struct net_state *state, const char *without, struct listed *ret)
{
	_strv_ struct strv names = {0};
	const char *name;

	(void)net_state_names(state, &names);
	ret->items = xcalloc(names.count + 1, sizeof(*ret->items));
	ret->rules = xcalloc(names.count + 1, sizeof(*ret->rules));
	strv_foreach (&names, i, name) {
		struct net_active *active = &ret->items[ret->count];

		if (str_equal(name, without) || net_state_find(state, name, active, NULL) < 0)
			continue;
		if (!active->network.v4.family || link_index(active->bridge) < 0) {
			net_active_release(active);
			continue;
		}
		ret->rules[ret->count++] =
			(struct firewall_network){.network = &active->network, .bridge = active->bridge};
	}
}

struct publishing {
	const struct net_active *active;
	struct firewall_targets *targets;
};

static void add_published(const struct lease *lease, bool held, void *context)
{
	struct publishing *publishing = context;

	if (held)
		published_read(publishing->active->dir, &publishing->active->network, lease->number,
			       publishing->targets);
}

void net_active_published(const struct net_active *active, struct firewall_targets *targets)
{
	(void)lease_each(active->leases, add_published,
			 &(struct publishing){.active = active, .targets = targets});
}

static void set_published(const struct listed *listed, const char *table, json_t *commands)
{
	_cleanup_(firewall_targets_release) struct firewall_targets targets = {0};

	for (size_t i = 0; i < listed->count; i++)
		net_active_published(&listed->items[i], &targets);
	firewall_set_published(commands, table, targets.items, targets.count);
}

static void set_networks(struct net_state *state, const char *without, json_t *commands)
{
	_cleanup_(listed_release) struct listed listed = {0};
	char table[FIREWALL_TABLE_SIZE];

	net_table_name(state, table);
	list_active(state, without, &listed);
	firewall_set_networks(commands, table, listed.rules, listed.count);
	if (listed.count)
		set_published(&listed, table, commands);
	else
		firewall_remove_ports(commands, table);
}

static void add_port(const struct net_active *active, const struct lease *lease, const char *table,
		     json_t *commands)
{
	struct firewall_port port = {.device = lease->device,
				     .v4 = net_prefix_host(&active->network.v4, lease->number),
				     .gateway4 = net_prefix_host(&active->network.v4, NETWORK_GATEWAY)};

	memcpy(port.mac, lease->mac, sizeof(port.mac));
	if (active->network.v6.family) {
		port.v6 = net_prefix_host(&active->network.v6, lease->number);
		port.gateway6 = net_prefix_host(&active->network.v6, NETWORK_GATEWAY);
	}
	firewall_add_port(commands, table, &port);
}

/* ---- up ---- */

static int check_routes(struct net_state *state, const struct net_active *active, struct cor_error *err)
{
	const struct net_prefix *subnets[] = {&active->network.v4, &active->network.v6}, *other;
	_free_ struct net_prefix *routes = NULL;
	char ours[NET_TEXT_SIZE], theirs[NET_TEXT_SIZE];
	size_t count = 0;
	int r = link_routes(state->netlink, active->bridge, &routes, &count);

	if (r < 0)
		return cor_fail_errno(err, r, "the host's routes");
	for (size_t i = 0; i < ARRAY_SIZE(subnets); i++) {
		other = subnets[i]->family ? subnet_find_overlap(subnets[i], routes, count) : NULL;
		if (other)
			return cor_fail(
				err, COR_BUSY, EADDRINUSE,
				"subnet %s overlaps the host's route to %s, which is there since: remove "
				"the network and make it anew",
				net_prefix_format(subnets[i], ours), net_prefix_format(other, theirs));
	}
	return 0;
}

static void bridge_mac(const struct net_active *active, uint8_t mac[6])
{
	uint32_t h = hash(HASH_SEED, active->bridge, strlen(active->bridge));

	memcpy(mac,
	       (const uint8_t[]){0x02, 0xc0, (uint8_t)(h >> 24), (uint8_t)(h >> 16), (uint8_t)(h >> 8),
				 (uint8_t)h},
	       6);
}

static int make_bridge(struct net_state *state, struct net_active *active, struct cor_error *err)
{
	const struct network *network = &active->network;
	struct net_prefix v4 = net_prefix_host(&network->v4, NETWORK_GATEWAY), v6;
	bool has_v6 = network->v6.family != 0;
	uint8_t mac[6];
	int index, r;

	bridge_mac(active, mac);
	r = link_remove(state->netlink, active->bridge);
	r = r ?: link_make_bridge(state->netlink, active->bridge, mac, 0);
	if (r == -EOPNOTSUPP)
		return cor_fail(
			err, COR_UNSUPPORTED, EOPNOTSUPP,
			"the host's kernel makes no bridges (CONFIG_BRIDGE): load its module 'bridge'");
	index = r < 0 ? r : link_index(active->bridge);
	if (index < 0)
		return cor_fail_errno(err, index, "cannot make the bridge %s", active->bridge);
	forwarding_prepare_bridge(active->bridge, has_v6);
	r = link_add_address(state->netlink, index, &v4);
	if (r == 0 && has_v6) {
		v6 = net_prefix_host(&network->v6, NETWORK_GATEWAY);
		r = link_add_address(state->netlink, index, &v6);
	}
	r = r ?: link_set_up(state->netlink, index, true);
	if (r == 0 && !network->internal)
		r = forwarding_enable(has_v6);
	return r < 0 ? cor_fail_errno(err, r, "the bridge %s", active->bridge) : 0;
}

/* Somebody took the bridge away under those who used it: they get the new one. */
static void reattach(struct net_state *state, struct net_active *active, const struct sweep *sweep)
{
	int bridge = link_index(active->bridge);

	for (size_t i = 0; i < sweep->count; i++) {
		int index = sweep->held[i].device[0] ? link_index(sweep->held[i].device) : -ENODEV;

		if (index > 0 && link_join_bridge(state->netlink, index, bridge, 0) == 0)
			(void)link_pin(state->netlink, index, sweep->held[i].mac);
		(void)net_state_introduce(state, active, &sweep->held[i], true);
		if (sweep->held[i].device[0])
			add_port(active, &sweep->held[i], sweep->table, sweep->commands);
	}
}

static int bring_up(struct net_state *state, struct net_active *active, const struct sweep *sweep,
		    struct cor_error *err)
{
	_json_ json_t *document = network_to_json(&active->network);
	int r = json_write_file(active->dir, RECORD, document, 0600, err);

	r = r ?: check_routes(state, active, err);
	r = r ?: make_bridge(state, active, err);
	if (r < 0)
		return r;
	reattach(state, active, sweep);
	unlinkat(active->dir, RULED, 0);
	return 0;
}

static int copy_network(const struct network *from, struct network *to)
{
	_json_ json_t *document = network_to_json(from);

	network_release(to);
	return document ? network_parse(document, to) : -EINVAL;
}

static int up(struct net_state *state, const struct network *network, struct net_active *active,
	      struct cor_error *err)
{
	char table[FIREWALL_TABLE_SIZE];
	_json_ json_t *commands = json_array();
	_cleanup_(sweep_release) struct sweep sweep = {
		.state = state, .active = active, .commands = commands, .table = table};
	int r;

	net_table_name(state, table);
	r = lease_each(active->leases, sweep_one, &sweep);
	if (r < 0)
		return cor_fail_errno(err, r, "leases");
	/* While somebody is there it stays as it was, whatever the record says now. */
	if (!sweep.count || read_active(active->dir, network->name, &active->network) < 0)
		r = copy_network(network, &active->network);
	if (r == 0 && (!sweep.count || link_index(active->bridge) < 0))
		r = bring_up(state, active, &sweep, err);
	/* What is seldom there: rules of the dead, and of those whose bridge was taken away. */
	if (r == 0 && sweep.published)
		net_state_publish(state, commands);
	if (r == 0 && json_array_size(commands))
		r = nft_apply(commands, state->lock, err);
	if (r == 0)
		forget_dead(&sweep);
	return r;
}

int net_state_up(struct net_state *state, const struct network *network, struct net_active *ret,
		 struct cor_error *err)
{
	struct net_active active;
	int r = open_active(state, network->name, true, &active);

	if (r < 0)
		return cor_fail_errno(err, r, "network '%s'", network->name);
	r = up(state, network, &active, err);
	if (r == 0) {
		*ret = active;
		return 0;
	}
	(void)net_state_settle(state, &active, &(unsigned){0}, NULL);
	net_active_release(&active);
	return cor_context(err, r, "network '%s'", network->name);
}

static bool is_marked(const struct net_active *active, const char *mark)
{
	return faccessat(active->dir, mark, F_OK, 0) == 0;
}

static void set_mark(const struct net_active *active, const char *mark)
{
	_fd_ int fd = openat(active->dir, mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	(void)fd;
}

void net_state_wish_resolved(const struct net_active *active, bool wished)
{
	if (wished)
		set_mark(active, RESOLVED);
	else
		unlinkat(active->dir, RESOLVED, 0);
}

static void tell_resolved(const struct net_active *active)
{
	struct cor_error err;

	if (is_marked(active, RESOLVED) && resolved_tell(active->bridge, &active->network, &err) < 0)
		log_warning("network '%s': the host does not resolve its names: %s", active->network.name,
			    err.msg);
}

struct ports {
	const struct net_active *active;
	const char *table;
	json_t *commands;
};

static void add_held(const struct lease *lease, bool held, void *context)
{
	const struct ports *ports = context;

	if (held && lease->device[0])
		add_port(ports->active, lease, ports->table, ports->commands);
}

static void add_all_ports(struct net_state *state, const char *table, json_t *commands)
{
	_strv_ struct strv names = {0};
	const char *name;

	(void)net_state_names(state, &names);
	strv_foreach (&names, i, name) {
		struct net_active active;
		struct ports ports = {.active = &active, .table = table, .commands = commands};

		if (net_state_find(state, name, &active, NULL) < 0)
			continue;
		if (active.network.v4.family)
			(void)lease_each(active.leases, add_held, &ports);
		net_active_release(&active);
	}
}

void net_state_publish(struct net_state *state, json_t *commands)
{
	_cleanup_(listed_release) struct listed listed = {0};
	char table[FIREWALL_TABLE_SIZE];

	net_table_name(state, table);
	if (!nft_has_tables(table)) {
		set_networks(state, NULL, commands);
		add_all_ports(state, table, commands);
		return;
	}
	list_active(state, NULL, &listed);
	set_published(&listed, table, commands);
}

int net_state_rule(struct net_state *state, struct net_active *active, json_t *commands, int *ret_names,
		   struct cor_error *err)
{
	bool is_new = !is_marked(active, RULED), is_flushed;
	char table[FIREWALL_TABLE_SIZE];
	int r;

	net_table_name(state, table);
	/* Somebody flushed all rules, or there were none. To write them each time would cost 10 ms: the kernel waits for all processors when chains of hooks go. */
	is_flushed = !nft_has_tables(table);
	if (is_new || is_flushed)
		set_networks(state, NULL, commands);
	if (is_flushed)
		add_all_ports(state, table, commands);
	r = nft_apply(commands, state->lock, err);
	if (r < 0)
		return cor_context(err, r, "network '%s'", active->network.name);
	set_mark(active, RULED);
	*ret_names = names_start(active->dir, &active->network, active->bridge);
	if (is_new)
		tell_resolved(active);
	return 0;
}

int net_state_restore(struct net_state *state, struct net_active *active, struct cor_error *err)
{
	char table[FIREWALL_TABLE_SIZE];
	_json_ json_t *commands = json_array();
	_cleanup_(sweep_release) struct sweep sweep = {
		.state = state, .active = active, .commands = commands, .table = table};
	int r;

	net_table_name(state, table);
	r = lease_each(active->leases, sweep_one, &sweep);
	if (r < 0)
		cor_fail_errno(err, r, "leases");
	else if (link_index(active->bridge) < 0)
		r = make_bridge(state, active, err);
	if (r == 0) {
		reattach(state, active, &sweep);
		set_networks(state, NULL, commands);
		r = nft_apply(commands, state->lock, err);
	}
	if (r == 0)
		forget_dead(&sweep);
	if (r < 0)
		return cor_context(err, r, "network '%s'", active->network.name);
	(void)names_start(active->dir, &active->network, active->bridge);
	tell_resolved(active);
	return 0;
}

/* ---- down ---- */

/* The folder goes last: as long as it is there, whoever comes next carries on from wherever this was cut short. */
static int take_down(struct net_state *state, struct net_active *active, struct sweep *sweep,
		     struct cor_error *err)
{
	_free_ char *path = str_format("n/%s", active->network.name);
	int r;

	names_stop(active->dir);
	set_networks(state, active->network.name, sweep->commands);
	r = nft_apply(sweep->commands, state->lock, err);
	if (r < 0)
		return r;
	forget_dead(sweep);
	r = link_remove(state->netlink, active->bridge);
	r = r ?: tree_remove(state->dir, path);
	return r < 0 ? cor_fail_errno(err, r, "network '%s'", active->network.name) : 0;
}

int net_state_settle(struct net_state *state, struct net_active *active, unsigned *ret_held,
		     struct cor_error *err)
{
	char table[FIREWALL_TABLE_SIZE];
	_json_ json_t *commands = json_array();
	_cleanup_(sweep_release) struct sweep sweep = {
		.state = state, .active = active, .commands = commands, .table = table};
	int r;

	net_table_name(state, table);
	r = lease_each(active->leases, sweep_one, &sweep);
	*ret_held = (unsigned)sweep.count;
	if (r < 0)
		return cor_fail_errno(err, r, "network '%s'", active->network.name);
	if (!*ret_held)
		return take_down(state, active, &sweep, err);
	if (sweep.published)
		net_state_publish(state, commands);
	r = json_array_size(commands) ? nft_apply(commands, state->lock, err) : 0;
	if (r == 0)
		forget_dead(&sweep);
	return r;
}
