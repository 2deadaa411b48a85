/* SPDX-License-Identifier: Apache-2.0 */
/* Makers exclude each other by an flock on the folder, so that two new networks do not take one subnet; readers need none, since a record appears whole. */
#include "net/network.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/netlink.h"
#include "net/link.h"
#include "net/publish.h"
#include "net/subnet.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/random.h>

#define RECORD_MAX  65536u
#define SUFFIX      ".json"
#define MIN_HOSTS   2u /* one beside the host */
#define V6_LENGTH   64u
#define V4_SHORTEST 8u

void network_release(struct network *network)
{
	strv_release(&network->labels);
	strv_release(&network->allow_host);
	*network = (struct network){0};
}

bool network_name_valid(const char *name)
{
	return str_made_of(name, NETWORK_NAME_MAX,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") &&
	       *name != '.' && *name != '-' && strcmp(name, "none") != 0;
}

bool network_domain_valid(const char *domain)
{
	return str_made_of(domain, NETWORK_DOMAIN_MAX,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") &&
	       *domain != '.' && *domain != '-' && domain[strlen(domain) - 1] != '.' && !strstr(domain, "..");
}

static int check_allowed(const char *text, struct cor_error *err)
{
	_publish_list_ struct publish_list ports = {0};

	if (str_equal(text, NETWORK_ALLOW_ALL) || publish_parse_exposed(text, &ports, NULL) == 0)
		return 0;
	return cor_fail(
		err, COR_INVALID, EINVAL,
		"'%.60s' is no port of the host to allow: PORT[-LAST][/tcp|/udp] is needed, as 5432 or "
		"53/udp, or " NETWORK_ALLOW_ALL,
		text);
}

/* ---- the record ---- */

json_t *network_to_json(const struct network *network)
{
	char v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:I}", "name", network->name, "domain",
			 network->domain, "subnet", net_prefix_format(&network->v4, v4), "subnet6",
			 net_prefix_format(&network->v6, v6), "internal", (int)network->internal, "labels",
			 json_from_strv(&network->labels), "allowHost", json_from_strv(&network->allow_host),
			 "created", (json_int_t)network->created_ns);
}

/* What addresses can be given from. */
static bool is_usable(const struct net_prefix *subnet)
{
	return net_prefix_is_subnet(subnet) && net_prefix_last(subnet) >= MIN_HOSTS &&
	       (subnet->family == AF_INET ? subnet->length >= V4_SHORTEST : subnet->length == V6_LENGTH);
}

static int parse_subnet(const char *text, int family, struct net_prefix *ret)
{
	if (net_prefix_parse(text, ret) < 0 || ret->family != family || !is_usable(ret))
		return -EINVAL;
	return 0;
}

int network_parse(const json_t *document, struct network *network)
{
	const char *name = NULL, *v4 = NULL, *v6 = NULL, *domain = NETWORK_DOMAIN, *text;
	int r = json_get_string(document, "name", &name);

	r = r ?: json_get_string(document, "domain", &domain);
	r = r ?: json_get_string(document, "subnet", &v4);
	r = r ?: json_get_string(document, "subnet6", &v6);
	r = r ?: json_get_bool(document, "internal", &network->internal);
	r = r ?: json_get_strv(document, "labels", &network->labels);
	r = r ?: json_get_strv(document, "allowHost", &network->allow_host);
	r = r ?: json_get_int(document, "created", &network->created_ns);
	if (r < 0 || !name || !network_name_valid(name) || !v4 || !network_domain_valid(domain))
		return -EINVAL;
	strv_foreach (&network->allow_host, i, text)
		if (check_allowed(text, NULL) < 0)
			return -EINVAL;
	snprintf(network->domain, sizeof(network->domain), "%s", domain);
	snprintf(network->name, sizeof(network->name), "%s", name);
	r = parse_subnet(v4, AF_INET, &network->v4);
	if (r == 0 && !str_empty(v6))
		r = parse_subnet(v6, AF_INET6, &network->v6);
	return r;
}

/* ---- the folder ---- */

static int open_folder(int data_dir, int *ret, struct cor_error *err)
{
	int r = dir_open_make(data_dir, "networks", 0700, ret);

	return r < 0 ? cor_fail_errno(err, r, "the folder of networks") : 0;
}

static int read_one(int dir, const char *name, struct network *ret, struct cor_error *err)
{
	_cleanup_(network_release) struct network network = {0};
	_free_ char *file = str_format("%s" SUFFIX, name);
	_json_ json_t *document = NULL;
	int r = json_read_file(dir, file, RECORD_MAX, &document, err);

	if (r == -ENOENT)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no network '%s'", name);
	if (r < 0)
		return cor_context(err, r, "network '%s'", name);
	if (network_parse(document, &network) < 0 || strcmp(network.name, name) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "network '%s': its record is damaged", name);
	*ret = network;
	network = (struct network){0};
	return 0;
}

static int list_names(int dir, struct strv *ret)
{
	_dir_ DIR *stream = dir_list(dir, ".");
	const struct dirent *entry;

	if (!stream)
		return -errno;
	while ((entry = dir_next(stream))) {
		size_t length = strlen(entry->d_name);
		_free_ char *name = NULL;

		if (length <= strlen(SUFFIX) || !str_equal(entry->d_name + length - strlen(SUFFIX), SUFFIX))
			continue;
		name = xstrndup(entry->d_name, length - strlen(SUFFIX));
		if (network_name_valid(name))
			strv_add(ret, name);
	}
	strv_sort(ret);
	return 0;
}

int network_names(int data_dir, struct strv *ret, struct cor_error *err)
{
	_fd_ int dir = -1;
	int r = open_folder(data_dir, &dir, err);

	if (r < 0)
		return r;
	r = list_names(dir, ret);
	return r < 0 ? cor_fail_errno(err, r, "the folder of networks") : 0;
}

int network_forget(int data_dir, const char *name, struct cor_error *err)
{
	_free_ char *path = str_format("networks/%s" SUFFIX, name);

	if (!network_name_valid(name) || unlinkat(data_dir, path, 0) < 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "there is no network '%s'", name);
	return 0;
}

/* ---- making ---- */

struct taken {
	struct net_prefix *items;
	size_t routes, count; /* the host's routes, then the networks' subnets */
};

static void taken_release(struct taken *taken)
{
	free(taken->items);
}

static void taken_add(struct taken *taken, const struct net_prefix *prefix)
{
	if (!prefix->family)
		return;
	taken->items = xreallocarray(taken->items, taken->count + 1, sizeof(*taken->items));
	taken->items[taken->count++] = *prefix;
}

static int find_taken(int dir, struct taken *taken, struct cor_error *err)
{
	_fd_ int netlink = netlink_open();
	_strv_ struct strv names = {0};
	const char *name;
	int r = netlink < 0 ? netlink : link_routes(netlink, NULL, &taken->items, &taken->routes);

	if (r < 0)
		return cor_fail_errno(err, r, "the host's routes");
	taken->count = taken->routes;
	r = list_names(dir, &names);
	if (r < 0)
		return cor_fail_errno(err, r, "the folder of networks");
	strv_foreach (&names, i, name) {
		_cleanup_(network_release) struct network other = {0};

		if (read_one(dir, name, &other, NULL) < 0)
			continue;
		taken_add(taken, &other.v4);
		taken_add(taken, &other.v6);
	}
	return 0;
}

static int take_wished(const char *text, int family, const struct taken *taken, struct net_prefix *ret,
		       struct cor_error *err)
{
	const struct net_prefix *other;
	struct net_prefix typed;
	char written[NET_TEXT_SIZE];

	if (net_prefix_parse(text, &typed) == 0 && !net_prefix_is_subnet(&typed)) {
		typed = net_prefix_subnet(&typed);
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%.60s' is an address in a subnet: the subnet is %s", text,
				net_prefix_format(&typed, written));
	}
	if (parse_subnet(text, family, ret) < 0)
		return cor_fail(
			err, COR_INVALID, EINVAL,
			family == AF_INET
				? "'%.60s' is no subnet: ADDRESS/LENGTH is needed, as 10.20.30.0/24"
				: "'%.60s' is no subnet: ADDRESS/64 is needed, as fd12:3456:789a::/64",
			text);
	other = subnet_find_overlap(ret, taken->items, taken->count);
	if (!other)
		return 0;
	return cor_fail(err, COR_INVALID, EADDRINUSE, "subnet '%s' overlaps %s of %s", text,
			net_prefix_format(other, written),
			other < taken->items + taken->routes ? "a route of the host" : "another network");
}

static int choose_v6(const struct taken *taken, struct net_prefix *ret)
{
	uint8_t random[5];
	int r = -EEXIST;

	for (int tries = 0; r == -EEXIST && tries < 100; tries++) {
		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		r = subnet_make_v6(random, taken->items, taken->count, ret);
	}
	return r;
}

static int choose_subnets(int dir, const struct network_wish *wish, struct network *network,
			  struct cor_error *err)
{
	_cleanup_(taken_release) struct taken taken = {0};
	int r = find_taken(dir, &taken, err);

	if (r < 0)
		return r;
	if (wish->subnet) {
		r = take_wished(wish->subnet, AF_INET, &taken, &network->v4, err);
	} else if (subnet_choose(taken.items, taken.count, &network->v4) < 0) {
		r = cor_fail(err, COR_EXHAUSTED, ENOSPC,
			     "no subnet is free between 10.209.0.0 and 10.223.255.0: name one with --subnet");
	}
	if (r < 0)
		return r;
	if (wish->subnet_v6)
		return take_wished(wish->subnet_v6, AF_INET6, &taken, &network->v6, err);
	r = choose_v6(&taken, &network->v6);
	return r < 0 ? cor_fail_errno(err, r, "an IPv6 subnet") : 0;
}

static int create_locked(int dir, const struct network_wish *wish, struct network *network,
			 struct cor_error *err)
{
	_free_ char *file = str_format("%s" SUFFIX, wish->name);
	_json_ json_t *document = NULL;
	int r;

	if (faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return cor_fail(err, COR_EXISTS, EEXIST, "there is a network '%s' already", wish->name);
	r = choose_subnets(dir, wish, network, err);
	if (r < 0)
		return r;
	document = network_to_json(network);
	if (!document)
		return cor_fail(err, COR_INVALID, EILSEQ, "network '%s': a label is not UTF-8", wish->name);
	return json_write_file(dir, file, document, 0600, err);
}

static int create_in(int dir, const struct network_wish *wish, struct network *ret, struct cor_error *err)
{
	_cleanup_(network_release) struct network network = {.internal = wish->internal,
							     .created_ns = clock_realtime_ns()};
	_fd_ int lock = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	snprintf(network.name, sizeof(network.name), "%s", wish->name);
	snprintf(network.domain, sizeof(network.domain), "%s", wish->domain ?: NETWORK_DOMAIN);
	for (const char *const *label = wish->labels; label && *label; label++)
		strv_add(&network.labels, *label);
	for (const char *const *text = wish->allow_host; text && *text; text++)
		strv_add(&network.allow_host, *text);
	if (lock < 0)
		return cor_fail_errno(err, errno, "the folder of networks");
	while (flock(lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "the folder of networks");
	r = create_locked(dir, wish, &network, err);
	if (r == 0) {
		*ret = network;
		network = (struct network){0};
	}
	return r;
}

int network_create(int data_dir, const struct network_wish *wish, struct network *ret, struct cor_error *err)
{
	_fd_ int dir = -1;
	int r;

	if (!network_name_valid(wish->name))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.80s' is no name for a network", wish->name);
	if (str_equal(wish->name, NETWORK_USER) || str_equal(wish->name, NETWORK_HOST))
		return cor_fail(err, COR_INVALID, EINVAL, "the name '%s' has a meaning of its own",
				wish->name);
	if (wish->domain && !network_domain_valid(wish->domain))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.130s' is no domain", wish->domain);
	for (const char *const *text = wish->allow_host; text && *text; text++)
		if (check_allowed(*text, err) < 0)
			return -EINVAL;
	r = open_folder(data_dir, &dir, err);
	return r ?: create_in(dir, wish, ret, err);
}

int network_read(int data_dir, const char *name, struct network *ret, struct cor_error *err)
{
	_fd_ int dir = -1;
	int r;

	if (!network_name_valid(name))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.80s' is no name of a network", name);
	r = open_folder(data_dir, &dir, err);
	if (r < 0)
		return r;
	return read_one(dir, name, ret, err);
}

int network_need(int data_dir, const char *name, struct network *ret, struct cor_error *err)
{
	int r = network_read(data_dir, name, ret, err);

	if (r == -ENOENT && strcmp(name, NETWORK_DEFAULT) != 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"there is no network '%s': 'coracle network create %s' makes one, and "
				"'" NETWORK_DEFAULT "' is always there",
				name, name);
	if (r != -ENOENT)
		return r;
	r = network_create(data_dir, &(struct network_wish){.name = name}, ret, err);
	/* Somebody else was faster. */
	return r == -EEXIST ? network_read(data_dir, name, ret, err) : r;
}
