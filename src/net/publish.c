/* SPDX-License-Identifier: Apache-2.0 */
/* The forms are Docker's. What it takes and means nothing here is refused: a name in place of an address, a port 0, SCTP. */
#include "net/publish.h"

#include "base/json.h"
#include "base/size.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#define TEXT_MAX 120u

void publish_list_release(struct publish_list *list)
{
	free(list->items);
	*list = (struct publish_list){0};
}

const char *publish_protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

static int parse_protocol(const char *text, uint8_t *ret)
{
	if (strcasecmp(text, "tcp") != 0 && strcasecmp(text, "udp") != 0)
		return -EINVAL;
	*ret = strcasecmp(text, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	return 0;
}

char *publish_format(const struct publish *publish, char out[PUBLISH_TEXT_SIZE])
{
	const char *protocol = publish_protocol_name(publish->protocol);
	char address[NET_TEXT_SIZE];

	net_address_format(&publish->address, address);
	if (!publish->address.family)
		snprintf(out, PUBLISH_TEXT_SIZE, "%u/%s", publish->host_port, protocol);
	else
		snprintf(out, PUBLISH_TEXT_SIZE,
			 publish->address.family == AF_INET6 ? "[%s]:%u/%s" : "%s:%u/%s", address,
			 publish->host_port, protocol);
	return out;
}

/* ---- lists ---- */

static bool is_any(const struct net_prefix *address)
{
	return !address->family || memcmp(address->bytes, (const uint8_t[16]){0}, net_size(address)) == 0;
}

bool publish_overlap(const struct publish *a, const struct publish *b)
{
	bool families = !a->address.family || !b->address.family || a->address.family == b->address.family;

	return a->protocol == b->protocol && a->host_port && a->host_port == b->host_port && families &&
	       (is_any(&a->address) || is_any(&b->address) || net_address_equal(&a->address, &b->address));
}

static bool is_same(const struct publish *a, const struct publish *b)
{
	return a->protocol == b->protocol && a->host_port == b->host_port && a->host_last == b->host_last &&
	       a->container_port == b->container_port && a->address.family == b->address.family &&
	       memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes)) == 0;
}

static int add(struct publish_list *list, const struct publish *publish, struct cor_error *err)
{
	char text[PUBLISH_TEXT_SIZE];

	for (size_t i = 0; i < list->count; i++) {
		const struct publish *other = &list->items[i];

		if (is_same(other, publish))
			return 0;
		/* Of a range the first that is free is taken, after those that are wanted as they are. */
		if (other->host_port == other->host_last && publish->host_port == publish->host_last &&
		    publish_overlap(other, publish))
			return cor_fail(err, COR_INVALID, EINVAL, "port %s of the host is published twice",
					publish_format(publish, text));
	}
	if (list->count == PUBLISH_MAX)
		return cor_fail(err, COR_INVALID, E2BIG, "a container can publish %u ports", PUBLISH_MAX);
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = *publish;
	return 0;
}

/* ---- what people write ---- */

struct range {
	uint16_t first, last; /* 0: not said */
};

static int parse_port(const char *text, uint16_t *ret)
{
	int64_t number;

	if (number_parse(text, 1, UINT16_MAX, &number) < 0)
		return -EINVAL;
	*ret = (uint16_t)number;
	return 0;
}

static int parse_range(const char *text, struct range *ret)
{
	size_t length = strcspn(text, "-");
	_free_ char *first = xstrndup(text, length);
	struct range range;

	if (parse_port(first, &range.first) < 0)
		return -EINVAL;
	range.last = range.first;
	if (text[length] && (parse_port(text + length + 1, &range.last) < 0 || range.last < range.first))
		return -EINVAL;
	*ret = range;
	return 0;
}

struct words {
	char text[TEXT_MAX + 1]; /* cut up */
	const char *address, *host, *container, *protocol;
};

/* An IPv6 address has brackets around it, which nothing else has; *rest is behind the colon that follows. */
static int take_brackets(struct words *words, char **rest)
{
	char *end = strchr(words->text, ']');

	if (!end || end[1] != ':')
		return -EINVAL;
	*end = '\0';
	words->address = words->text + 1;
	*rest = end + 2;
	return strchr(words->address, ':') ? 0 : -EINVAL;
}

static int cut(const char *text, struct words *words)
{
	char *rest = words->text, *slash, *colon;
	bool brackets = *text == '[';

	*words = (struct words){.address = "", .host = "", .protocol = "tcp"};
	if (!*text || strlen(text) > TEXT_MAX)
		return -EINVAL;
	memcpy(words->text, text, strlen(text));
	slash = strchr(rest, '/');
	if (slash) {
		*slash = '\0';
		words->protocol = slash + 1;
	}
	if (brackets && take_brackets(words, &rest) < 0)
		return -EINVAL;
	colon = strrchr(rest, ':');
	if (brackets && !colon)
		return -EINVAL;
	words->container = colon ? colon + 1 : rest;
	if (!colon)
		return 0;
	*colon = '\0';
	words->host = rest;
	colon = strchr(rest, ':');
	if (!colon)
		return 0;
	*colon = '\0';
	words->address = rest;
	words->host = colon + 1;
	return brackets || strchr(words->host, ':') ? -EINVAL : 0;
}

/* One that a socket of the host can have: no group, and no IPv4 address in IPv6's clothes. */
static int parse_address(const char *text, struct net_prefix *ret)
{
	struct in6_addr v6;

	if (!*text)
		return 0;
	if (strchr(text, '/') || net_prefix_parse(text, ret) < 0)
		return -EINVAL;
	memcpy(&v6, ret->bytes, sizeof(v6));
	if (ret->family == AF_INET ? ret->bytes[0] >= 224
				   : ret->bytes[0] == 0xff || IN6_IS_ADDR_V4MAPPED(&v6))
		return -EINVAL;
	return 0;
}

static int parse(const char *text, struct publish *first, struct range *host, struct range *container)
{
	struct words words;
	int r = cut(text, &words);

	r = r ?: parse_protocol(words.protocol, &first->protocol);
	r = r ?: parse_address(words.address, &first->address);
	r = r ?: parse_range(words.container, container);
	if (r == 0 && *words.host)
		r = parse_range(words.host, host);
	return r;
}

static int bad(const char *text, struct cor_error *err)
{
	return cor_fail(err, COR_INVALID, EINVAL,
			"'%.60s' is no port to publish: [[ADDRESS:]HOST:]CONTAINER[/tcp|/udp] is needed, as "
			"8080:80, 127.0.0.1:53:53/udp or [::1]:8000-8010:8000-8010",
			text);
}

/* Appends all or none. */
static int add_range(const char *text, const struct publish *first, struct range host, struct range container,
		     struct publish_list *list, struct cor_error *err)
{
	unsigned count = container.last - container.first + 1u;
	bool choose = count == 1 && host.last > host.first;
	size_t before = list->count;
	int r = 0;

	if (host.first && !choose && host.last - host.first + 1u != count)
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%.60s': the two ranges of ports are not of equal length", text);
	for (unsigned i = 0; r == 0 && i < count; i++) {
		struct publish publish = *first;

		publish.container_port = (uint16_t)(container.first + i);
		publish.host_port = host.first ? (uint16_t)(host.first + i) : 0;
		publish.host_last = choose ? host.last : publish.host_port;
		r = add(list, &publish, err);
	}
	if (r < 0)
		list->count = before;
	return r;
}

int publish_parse(const char *text, struct publish_list *list, struct cor_error *err)
{
	struct range host = {0}, container = {0};
	struct publish first = {0};

	if (parse(text, &first, &host, &container) < 0)
		return bad(text, err);
	return add_range(text, &first, host, container, list, err);
}

static bool has_container_port(const struct publish_list *list, uint16_t port, uint8_t protocol)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].container_port == port && list->items[i].protocol == protocol)
			return true;
	return false;
}

int publish_parse_exposed(const char *text, struct publish_list *list, struct cor_error *err)
{
	struct range host = {0}, container = {0};
	struct publish first = {0};
	int r = 0;

	if (strchr(text, ':') || parse(text, &first, &host, &container) < 0)
		return cor_fail(
			err, COR_INVALID, EINVAL,
			"'%.60s' is no port to expose: PORT[-LAST][/tcp|/udp] is needed, as 80 or 53/udp",
			text);
	for (unsigned port = container.first; r == 0 && port <= container.last; port++)
		if (!has_container_port(list, (uint16_t)port, first.protocol))
			r = add_range(text, &first, host, (struct range){(uint16_t)port, (uint16_t)port},
				      list, err);
	return r;
}

/* ---- records ---- */

json_t *publish_list_to_json(const struct publish_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct publish *p = &list->items[i];
		char address[NET_TEXT_SIZE];

		json_array_append_new(array, json_pack("{s:s, s:i, s:i, s:i, s:s}", "address",
						       net_address_format(&p->address, address), "hostPort",
						       (int)p->host_port, "hostLast", (int)p->host_last,
						       "containerPort", (int)p->container_port, "protocol",
						       publish_protocol_name(p->protocol)));
	}
	return array;
}

static int from_json(const json_t *object, struct publish *publish)
{
	int64_t host = 0, last = 0, container = 0;
	const char *address = "", *protocol = "";
	int r = json_get_string(object, "address", &address);

	r = r ?: json_get_string(object, "protocol", &protocol);
	r = r ?: json_get_int(object, "hostPort", &host);
	last = host;
	r = r ?: json_get_int(object, "hostLast", &last);
	r = r ?: json_get_int(object, "containerPort", &container);
	r = r ?: parse_protocol(protocol, &publish->protocol);
	r = r ?: parse_address(address, &publish->address);
	if (r < 0 || host < 0 || last < host || last > UINT16_MAX || (host == 0 && last != 0) ||
	    container < 1 || container > UINT16_MAX)
		return -EINVAL;
	publish->host_port = (uint16_t)host;
	publish->host_last = (uint16_t)last;
	publish->container_port = (uint16_t)container;
	return 0;
}

int publish_list_from_json(const json_t *array, struct publish_list *list)
{
	_publish_list_ struct publish_list read = {0};
	const json_t *object;
	size_t i;

	if (!array || json_is_null(array))
		return 0;
	if (!json_is_array(array))
		return -EINVAL;
	json_array_foreach (array, i, object) {
		struct publish publish = {0};

		if (from_json(object, &publish) < 0 || add(&read, &publish, NULL) < 0)
			return -EINVAL;
	}
	publish_list_release(list);
	*list = read;
	read = (struct publish_list){0};
	return 0;
}
