/* SPDX-License-Identifier: Apache-2.0 */
#include "container/ports.h"

#include "base/json.h"
#include "net/network.h"

#include <errno.h>

#define PORTS_MAX (1u << 20) /* bytes of PORTS_FILE */
#define DNS_PORT  53

/* ---- choosing ---- */

/* An image may expose what it wants: that matters only to who publishes all of it. */
static int expose_images(const json_t *image_config, struct publish_list *exposed, bool all,
			 struct cor_error *err)
{
	json_t *settings = json_object_get(image_config, "config"), *value;
	const char *text;

	json_object_foreach (json_object_get(settings, "ExposedPorts"), text, value) {
		struct cor_error one;
		int r = publish_parse_exposed(text, exposed, &one);

		if (r < 0 && all)
			return cor_fail(err, one.status, one.err, "the image's exposed ports: %s", one.msg);
	}
	return 0;
}

/* What is exposed, as "80/tcp" in the record; and published where all is to be. */
static void note_exposed(const struct publish_list *exposed, bool all, struct container_record *record)
{
	for (size_t i = 0; i < exposed->count; i++) {
		const struct publish *p = &exposed->items[i];
		_free_ char *text =
			str_format("%u/%s", p->container_port, publish_protocol_name(p->protocol));

		strv_add(&record->exposed, text);
		if (all)
			(void)publish_parse_exposed(text, &record->publish, NULL);
	}
}

/* Who is asked for the names of networks answers there, on an address of the host for each of them: nobody else can have it on all. */
static int leave_names_alone(const struct publish_list *list, struct cor_error *err)
{
	static const uint8_t any[16];

	for (size_t i = 0; i < list->count; i++) {
		const struct publish *p = &list->items[i];

		if (p->host_port == DNS_PORT && memcmp(p->address.bytes, any, sizeof(any)) == 0)
			return cor_fail(
				err, COR_INVALID, EINVAL,
				"port 53 cannot be published on all addresses, for networks serve their "
				"names there: name one address, as 192.0.2.1:53:53/udp");
	}
	return 0;
}

/* One that leads out, or that we know nothing of. */
static bool has_way_in(const struct roots *roots, const struct strv *networks)
{
	const char *text;

	strv_foreach (networks, i, text) {
		_free_ char *name = xstrndup(text, strcspn(text, ","));
		_cleanup_(network_release) struct network network = {0};

		if (network_read(roots->data_fd, name, &network, NULL) < 0 || !network.internal)
			return true;
	}
	return false;
}

int ports_choose(const struct roots *roots, const struct cor_container_options *options,
		 const json_t *image_config, struct container_record *record, struct cor_error *err)
{
	_publish_list_ struct publish_list exposed = {0};
	int r = 0;

	for (const char *const *text = options->publish; r == 0 && text && *text; text++)
		r = publish_parse(*text, &record->publish, err);
	for (const char *const *text = options->expose; r == 0 && text && *text; text++)
		r = publish_parse_exposed(*text, &exposed, err);
	r = r ?: expose_images(image_config, &exposed, options->publish_all, err);
	if (r < 0)
		return r;
	note_exposed(&exposed, options->publish_all, record);
	r = leave_names_alone(&record->publish, err);
	if (r < 0)
		return r;
	if (record->publish.count && !record->networks.count)
		return cor_fail(err, COR_INVALID, EINVAL,
				"ports are published on a network, and the container has none: give it one "
				"with --network, or leave --publish away");
	if (record->publish.count && !has_way_in(roots, &record->networks))
		return cor_fail(err, COR_INVALID, EINVAL,
				"all networks of the container are internal: no port is published there");
	return 0;
}

/* ---- showing ---- */

void ports_held(const struct roots *roots, const struct container_record *record,
		const struct container_state *state, struct publish_list *ret)
{
	_free_ char *path = str_format("c/%.12s/" PORTS_FILE, record->id);
	_json_ json_t *document = NULL;

	*ret = (struct publish_list){0};
	if (state->status == COR_RUNNING && record->publish.count &&
	    json_read_file(roots->run_fd, path, PORTS_MAX, &document, NULL) == 0)
		(void)publish_list_from_json(json_object_get(document, "publish"), ret);
}

/* Whether b is the port behind a, on both sides. */
static bool follows(const struct publish *a, const struct publish *b)
{
	return b->host_port == a->host_port + 1 && b->container_port == a->container_port + 1 &&
	       a->protocol == b->protocol && a->address.family == b->address.family &&
	       net_address_equal(&a->address, &b->address);
}

static int by_place(const void *a, const void *b)
{
	const struct publish *x = a, *y = b;
	int order = x->address.family - y->address.family;

	order = order ?: memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));
	order = order ?: x->protocol - y->protocol;
	return order ?: x->host_port - y->host_port;
}

static void add_range(struct strv *parts, const struct publish *first, const struct publish *last)
{
	bool v6 = first->address.family == AF_INET6, many = last != first;
	char address[NET_TEXT_SIZE], host[8] = "", container[8] = "";

	if (many) {
		snprintf(host, sizeof(host), "-%u", last->host_port);
		snprintf(container, sizeof(container), "-%u", last->container_port);
	}
	strv_addf(parts, "%s%s%s:%u%s->%u%s/%s", v6 ? "[" : "", net_address_format(&first->address, address),
		  v6 ? "]" : "", first->host_port, host, first->container_port, container,
		  publish_protocol_name(first->protocol));
}

static bool is_published(const struct publish_list *list, const char *exposed)
{
	for (size_t i = 0; i < list->count; i++) {
		_free_ char *text = str_format("%u/%s", list->items[i].container_port,
					       publish_protocol_name(list->items[i].protocol));

		if (str_equal(text, exposed))
			return true;
	}
	return false;
}

char *ports_text(const struct publish_list *held, const struct strv *exposed)
{
	_free_ struct publish *sorted = xmemdup(held->items, held->count * sizeof(*held->items));
	_strv_ struct strv parts = {0};
	const char *text;

	if (held->count)
		qsort(sorted, held->count, sizeof(*sorted), by_place);
	for (size_t i = 0, end; i < held->count; i = end) {
		for (end = i + 1; end < held->count && follows(&sorted[end - 1], &sorted[end]); end++)
			;
		add_range(&parts, &sorted[i], &sorted[end - 1]);
	}
	strv_foreach (exposed, i, text)
		if (!is_published(held, text))
			strv_add(&parts, text);
	return strv_join(&parts, ", ");
}

json_t *ports_json(const struct publish_list *list, const struct strv *exposed)
{
	json_t *object = json_object();
	const char *text;

	for (size_t i = 0; exposed && i < exposed->count; i++) {
		text = exposed->items[i];
		json_object_set_new(object, text, json_null());
	}
	for (size_t i = 0; i < list->count; i++) {
		const struct publish *p = &list->items[i];
		_free_ char *key = str_format("%u/%s", p->container_port, publish_protocol_name(p->protocol));
		_free_ char *port = p->host_last > p->host_port
					    ? str_format("%u-%u", p->host_port, p->host_last)
				    : p->host_port ? str_format("%u", p->host_port)
						   : xstrdup("");
		char address[NET_TEXT_SIZE];

		if (!json_is_array(json_object_get(object, key)))
			json_object_set_new(object, key, json_array());
		json_array_append_new(json_object_get(object, key),
				      json_pack("{s:s, s:s}", "HostIp",
						net_address_format(&p->address, address), "HostPort", port));
	}
	return object;
}
