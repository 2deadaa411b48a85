/* SPDX-License-Identifier: Apache-2.0 */
/* The user-mode network's processes, watched: what passt has to say goes into our log, and when one of them ends before the container does, the container has no
 * network any more, which is said there too. Nothing is started again: passt's connections died with it. */
#include "shim/shim.h"

#include "shim/publish.h"

#include <errno.h>

#define MESSAGES_MAX 100 /* lines */

struct user_network {
	struct net_user user;
	uv_poll_t ends[NET_USER_PROCESSES], messages;
	unsigned open; /* handles */
	unsigned message_count;
};

static void on_message(uv_poll_t *poll, int status, int events)
{
	struct user_network *network = ((struct shim *)poll->data)->user_network;
	char data[2048], text[200], *line, *rest = data;
	ssize_t n = read(network->user.messages, data, sizeof(data) - 1);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			uv_poll_stop(poll);
		return;
	}
	data[n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		text_copy(text, sizeof(text), line);
		if (text[0] && network->message_count++ < MESSAGES_MAX)
			log_warning("network '" NETWORK_USER "': passt: %s", text);
	}
}

static void stop_all(struct user_network *network)
{
	for (size_t i = 0; i < NET_USER_PROCESSES; i++)
		uv_poll_stop(&network->ends[i]);
	uv_poll_stop(&network->messages);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
	struct shim *shim = poll->data;
	struct user_network *network = shim->user_network;
	bool passt = poll == &network->ends[NET_USER_PROCESSES - 1];

	/* One's end brings the others' about; and a machine that goes down takes all with it. */
	if (shim->stage >= ENDING) {
		uv_poll_stop(poll);
		return;
	}
	stop_all(network);
	log_error("network '" NETWORK_USER
		  "': %s ended: the container has no network until it is started again",
		  passt ? "passt" : "the guard before passt");
	net_user_leave(&network->user);
}

static void watch(struct shim *shim, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	uv_poll_init(&shim->loop, poll, fd);
	poll->data = shim;
	uv_poll_start(poll, UV_READABLE, callback);
	shim->user_network->open++;
}

int user_network_join(struct shim *shim, const struct net_request *request, const struct net_member *member,
		      struct net_port *port, struct cor_error *err)
{
	_publish_list_ struct publish_list ports = {0};
	struct net_user_wish wish = {
		.request = request, .member = member, .ports = &ports, .uid = passt_uid(shim->id)};
	struct user_network *network;
	struct net_user user;
	int r;

	if (shim->user_network)
		return cor_fail(err, COR_INVALID, EINVAL, "a container can be in network '%s' once",
				request->network);
	/* The first network that leads out leads in, too. */
	if (!network_leads_out(shim))
		ports = publish_hand_over(shim);
	r = net_user_join(&wish, port, &user, err);
	if (r < 0)
		return r;
	network = shim->user_network = xcalloc(1, sizeof(*network));
	network->user = user;
	for (size_t i = 0; i < NET_USER_PROCESSES; i++)
		watch(shim, &network->ends[i], user.processes[i].pidfd, on_end);
	watch(shim, &network->messages, user.messages, on_message);
	return 0;
}

const struct resolvers *user_network_resolvers(const struct shim *shim)
{
	return &shim->user_network->user.resolvers;
}

static void on_closed(uv_handle_t *handle)
{
	struct user_network *network = handle->data;

	if (--network->open == 0)
		free(network);
}

void user_network_leave(struct shim *shim)
{
	struct user_network *network = steal_ptr(shim->user_network);

	if (!network)
		return;
	uv_poll_t *polls[] = {&network->ends[0], &network->ends[1], &network->ends[2], &network->messages};
	for (size_t i = 0; i < ARRAY_SIZE(polls); i++) {
		polls[i]->data = network;
		uv_close((uv_handle_t *)polls[i], on_closed);
	}
	net_user_leave(&network->user);
}
