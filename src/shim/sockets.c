/* SPDX-License-Identifier: Apache-2.0 */
/* Which path a connection leads to is decided here, by the socket that it came in at: the guest names none. While there are as many relays as there may be, nobody is
 * accepted, and what the guest tells of further connections stays unread. */
#include "shim/sockets.h"

#include "base/unix_socket.h"
#include "container/published.h"
#include "container/sockets.h"
#include "shim/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define REST_MS 100 /* before the next try to accept */

struct shim_socket {
	struct shim *shim;
	const struct container_socket *what;
	char *host; /* where connections of the container lead */
	struct stat st;
	bool ready;

	/* In the guest. */
	struct rpc_call *call;

	/* On the host. */
	int fd;
	uv_poll_t *poll;
	uv_timer_t *rest;
};

struct shim_sockets {
	struct shim_socket items[SOCKETS_MAX];
	size_t count;
	size_t missing; /* the guest does not listen there yet */
	void (*ready)(struct shim *shim);
};

#define sockets_foreach(sockets, socket)                                                                     \
	for (struct shim_socket *socket = (sockets)->items; socket < (sockets)->items + (sockets)->count;    \
	     socket++)

/* ---- before the start ---- */

static int find_agent(struct shim_socket *socket, struct cor_error *err)
{
	const char *path = getenv(SOCKET_AGENT_ENV);
	_fd_ int file = -1;

	if (str_empty(path))
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"--ssh: " SOCKET_AGENT_ENV
				" is not set: start an agent with `eval $(ssh-agent)`, or leave --ssh away");
	file = *path == '/' ? open(path, O_PATH | O_CLOEXEC) : -1;
	if (file < 0 || fstat(file, &socket->st) < 0 || !S_ISSOCK(socket->st.st_mode) || unix_is_dead(file))
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"--ssh: no agent is at '%s', which " SOCKET_AGENT_ENV
				" names: start one with `eval $(ssh-agent)`",
				path);
	socket->host = xstrdup(path);
	return 0;
}

static int find_mounted(struct shim_socket *socket, struct cor_error *err)
{
	const char *path = socket->what->host;

	if (stat(path, &socket->st) < 0)
		return cor_fail_errno(err, errno, "socket '%s' of the host", path);
	if (!S_ISSOCK(socket->st.st_mode))
		return cor_fail(err, COR_INVALID, ENOTSOCK, "'%s' is no socket any more", path);
	socket->host = xstrdup(path);
	return 0;
}

int sockets_open(struct shim *shim, struct cor_error *err)
{
	const struct container_sockets *list = &shim->record.sockets;
	int r = 0;

	/* Of a shim that died. */
	published_sockets_remove(shim->run_dir);
	shim->sockets = xcalloc(1, sizeof(*shim->sockets));
	for (size_t i = 0; r == 0 && i < list->count; i++) {
		struct shim_socket *socket = &shim->sockets->items[i];

		*socket = (struct shim_socket){.shim = shim, .what = &list->items[i], .fd = -1};
		shim->sockets->count++;
		if (socket->what->kind == SOCKET_PUBLISHED)
			r = published_socket_make(shim->run_dir, socket->what->host, &socket->fd, err);
		else if (socket->what->kind == SOCKET_SSH_AGENT)
			r = find_agent(socket, err);
		else
			r = find_mounted(socket, err);
	}
	return r;
}

/* ---- in the guest ---- */

static void take_accepted(struct shim_socket *socket, uint64_t number)
{
	struct shim *shim = socket->shim;

	if (shim->stage >= ENDING)
		return;
	relay_to_host(shim, number, socket->host);
	if (shim->relays >= RELAYS_MAX && socket->call)
		rpc_call_pause(socket->call);
}

static void on_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__listen_response__descriptor, data, size, NULL);
	const Coracle__Agent__V1__ListenResponse *response = (const void *)message;
	struct shim_socket *socket = user;
	struct shim *shim = socket->shim;

	if (!message) {
		rpc_call_cancel(call);
		return;
	}
	if (response->kind_case == CORACLE__AGENT__V1__LISTEN_RESPONSE__KIND_LISTENING && !socket->ready) {
		rpc_call_deadline(call, RPC_NO_DEADLINE);
		socket->ready = true;
		if (--shim->sockets->missing == 0 && shim->stage < ENDING)
			shim->sockets->ready(shim);
	} else if (response->kind_case == CORACLE__AGENT__V1__LISTEN_RESPONSE__KIND_ACCEPTED) {
		take_accepted(socket, response->accepted);
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct shim_socket *socket = user;
	struct cor_error err = *status;

	socket->call = NULL;
	if (socket->shim->stage >= ENDING || !rpc_conn_alive(socket->shim->guest))
		return;
	if (err.status == COR_OK)
		cor_fail(&err, COR_UNAVAILABLE, EPROTO, "the guest stopped listening");
	explain_silence(socket->shim, &err);
	cor_context(&err, 0, "socket '%s' of the container", socket->what->container);
	if (socket->ready)
		log_error("%s", err.msg);
	else
		shim_fail(socket->shim, &err);
}

static int listen_in_guest(struct shim_socket *socket, size_t number, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_message, .on_end = on_end};
	static const struct rpc_call_options options = {.max_message = 64, .small = true};
	Coracle__Agent__V1__ListenRequest request = CORACLE__AGENT__V1__LISTEN_REQUEST__INIT;
	char name[24];
	int r = rpc_call_begin(socket->shim->guest, AGENT("Listen"), &options, &events, socket, &socket->call,
			       err);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%zu", number);
	rpc_call_deadline(socket->call, CALL_TIMEOUT_MS);
	request.container_id = socket->shim->id;
	request.name = name;
	request.process_owns = socket->what->kind == SOCKET_SSH_AGENT;
	request.mode = request.process_owns ? 0600 : socket->st.st_mode & 0777;
	request.uid = socket->st.st_uid;
	request.gid = socket->st.st_gid;
	rpc_call_send_message(socket->call, &request.base);
	rpc_call_half_close(socket->call);
	return 0;
}

void sockets_listen(struct shim *shim, void (*ready)(struct shim *shim))
{
	struct cor_error err;
	int r = 0;

	/* A machine for maintenance has none. */
	if (!shim->sockets) {
		ready(shim);
		return;
	}
	shim->sockets->ready = ready;
	for (size_t i = 0; r == 0 && i < shim->sockets->count; i++) {
		struct shim_socket *socket = &shim->sockets->items[i];

		if (socket->what->kind == SOCKET_PUBLISHED)
			continue;
		shim->sockets->missing++;
		r = listen_in_guest(socket, i, &err);
	}
	if (r < 0)
		shim_fail(shim, &err);
	else if (!shim->sockets->missing)
		ready(shim);
}

/* ---- on the host ---- */

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
	struct shim_socket *socket = timer->data;

	uv_poll_start(socket->poll, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct shim_socket *socket = poll->data;
	int fd;

	if (socket->shim->relays >= RELAYS_MAX || socket->shim->stage >= ENDING) {
		uv_poll_stop(poll); /* until one ends, or for ever */
		return;
	}
	fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		relay_to_container(socket->shim, fd, socket->what->container);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* Out of descriptors: polling would come back at once, for ever. */
		uv_poll_stop(poll);
		uv_timer_start(socket->rest, on_rested, REST_MS, 0);
	}
}

void sockets_publish(struct shim *shim)
{
	sockets_foreach(shim->sockets, socket)
	{
		uv_poll_t *poll;

		if (socket->fd < 0)
			continue;
		poll = xcalloc(1, sizeof(*poll));
		if (uv_poll_init(&shim->loop, poll, socket->fd) < 0) {
			free(poll);
			continue;
		}
		socket->poll = poll;
		socket->rest = xcalloc(1, sizeof(*socket->rest));
		uv_timer_init(&shim->loop, socket->rest);
		poll->data = socket->rest->data = socket;
		uv_poll_start(poll, UV_READABLE, on_connection);
	}
}

void sockets_resume(struct shim *shim)
{
	if (shim->stage >= ENDING)
		return;
	sockets_foreach(shim->sockets, socket)
	{
		if (socket->poll)
			on_rested(socket->rest);
		if (socket->call)
			rpc_call_resume(socket->call);
	}
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void sockets_close(struct shim *shim)
{
	if (!shim->sockets)
		return;
	published_sockets_remove(shim->run_dir);
	sockets_foreach(shim->sockets, socket)
	{
		if (socket->poll) {
			uv_close((uv_handle_t *)socket->poll, free_handle);
			uv_close((uv_handle_t *)socket->rest, free_handle);
		}
		socket->poll = NULL;
		close_fd(&socket->fd);
	}
}

void sockets_free(struct shim *shim)
{
	for (size_t i = 0; shim->sockets && i < shim->sockets->count; i++)
		free(shim->sockets->items[i].host);
	free(steal_ptr(shim->sockets));
}
