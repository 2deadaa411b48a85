/* SPDX-License-Identifier: Apache-2.0 */
#include "net/state.h"

#include "base/file.h"
#include "base/json.h"
#include "base/netlink.h"
#include "net/firewall.h"
#include "net/link.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RECORD     "network.json"
#define RECORD_MAX 65536u

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

void net_bridge_mac(const char *bridge, uint8_t mac[6])
{
	uint32_t h = hash(HASH_SEED, bridge, strlen(bridge));

	memcpy(mac,
	       (const uint8_t[]){0x02, 0xc0, (uint8_t)(h >> 24), (uint8_t)(h >> 16), (uint8_t)(h >> 8),
				 (uint8_t)h},
	       6);
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

int net_active_read(int dir, const char *name, struct network *network)
{
	_json_ json_t *document = NULL;
	int r = json_read_file(dir, RECORD, RECORD_MAX, &document, NULL);

	if (r == 0 && (network_parse(document, network) < 0 || strcmp(network->name, name) != 0))
		r = -EBADMSG;
	if (r < 0)
		network_release(network);
	return r;
}

int net_active_write(const struct net_active *active, struct cor_error *err)
{
	_json_ json_t *document = network_to_json(&active->network);

	return json_write_file(active->dir, RECORD, document, 0600, err);
}

int net_active_open(const struct net_state *state, const char *name, bool make, struct net_active *ret)
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
	int r = dir_names(state->dir, "n", network_name_valid, ret);

	return r == -ENOENT ? 0 : r;
}

int net_state_find(struct net_state *state, const char *name, struct net_active *ret, struct cor_error *err)
{
	struct net_active active;
	int r = network_name_valid(name) ? net_active_open(state, name, false, &active) : -ENOENT;

	if (r == -ENOENT)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "network '%s' is not up", name);
	if (r < 0)
		return cor_fail_errno(err, r, "network '%s'", name);
	/* One whose record was not written yet has nothing else either. */
	if (net_active_read(active.dir, name, &active.network) < 0)
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
