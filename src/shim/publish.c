/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/publish.h"

#include "base/json.h"
#include "container/ports.h"
#include "net/held.h"
#include "shim/publish_tcp.h"
#include "shim/publish_udp.h"
#include "shim/shim.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>

/* Of the relay's connections, each of which is two. */
#define DESCRIPTORS 4096

struct publishing {
	struct held_ports held; /* until they are served */
	struct tcp_relay *tcp;
	struct udp_relay *udp;
};

/* ---- holding ---- */

static int tell(const struct shim *shim, struct cor_error *err)
{
	_publish_list_ struct publish_list list = held_ports_list(&shim->publishing->held);
	_json_ json_t *document = json_pack("{s:o}", "publish", publish_list_to_json(&list));

	return json_write_file(shim->run_dir, PORTS_FILE, document, 0600, err);
}

int publish_hold(struct shim *shim, struct cor_error *err)
{
	struct held_ports held;
	int r;

	if (!shim->record.publish.count)
		return 0;
	r = held_ports_bind(&shim->record.publish, &held, err);
	if (r < 0)
		return r;
	shim->publishing = xcalloc(1, sizeof(*shim->publishing));
	shim->publishing->held = held;
	return tell(shim, err);
}

struct publish_list publish_hand_over(struct shim *shim)
{
	struct publish_list list = {0};

	if (!shim->publishing)
		return list;
	list = held_ports_chosen(&shim->publishing->held);
	held_ports_release(&shim->publishing->held);
	return list;
}

/* The first network that is not internal, as it is for the way out. */
static const struct net_port *way_in(const struct shim *shim)
{
	for (size_t i = 0; i < shim->port_count; i++)
		if (!shim->ports[i].internal)
			return &shim->ports[i];
	return NULL;
}

int publish_connect(struct shim *shim, struct cor_error *err)
{
	const struct net_port *port = way_in(shim);
	int r;

	if (!shim->publishing || !shim->publishing->held.count || !port)
		return 0;
	r = held_ports_connect(shim->roots.run_fd, port, &shim->publishing->held, err);
	if (r == 0)
		shim_time(shim, "shim", "ports published");
	return r;
}

/* ---- serving ---- */

/* In the family in which the client speaks, where the container has it. */
static void fill_target(const struct net_port *port, const struct publish *publish, union relay_address *ret)
{
	bool v6 = publish->address.family == AF_INET6 && port->v6.family;

	*ret = (union relay_address){0};
	if (v6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(publish->container_port);
		memcpy(&ret->v6.sin6_addr, port->v6.bytes, 16);
	} else {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(publish->container_port);
		memcpy(&ret->v4.sin_addr, port->v4.bytes, 4);
	}
}

static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)DESCRIPTORS);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve_one(struct publishing *publishing, struct held_port *held, const union relay_address *target)
{
	int fd = steal_fd(&held->fd);

	if (held->publish.protocol == IPPROTO_UDP)
		return udp_relay_add(publishing->udp, fd, target);
	return tcp_relay_add(publishing->tcp, fd, target);
}

void publish_serve(struct shim *shim)
{
	struct publishing *publishing = shim->publishing;
	const struct net_port *port = way_in(shim);

	if (!publishing || !publishing->held.count || !port || publishing->tcp)
		return;
	allow_descriptors();
	publishing->tcp = tcp_relay_new(&shim->loop);
	publishing->udp = udp_relay_new(&shim->loop);
	for (size_t i = 0; i < publishing->held.count; i++) {
		struct held_port *held = &publishing->held.items[i];
		char text[PUBLISH_TEXT_SIZE];
		union relay_address target;
		int r;

		fill_target(port, &held->publish, &target);
		r = serve_one(publishing, held, &target);
		if (r < 0)
			log_warning("port %s is not served to this host's loopback: %s",
				    publish_format(&held->publish, text), strerror(-r));
	}
}

void publish_stop(struct shim *shim)
{
	struct publishing *publishing = steal_ptr(shim->publishing);

	if (!publishing)
		return;
	unlinkat(shim->run_dir, PORTS_FILE, 0);
	tcp_relay_free(publishing->tcp);
	udp_relay_free(publishing->udp);
	held_ports_release(&publishing->held);
	free(publishing);
}
