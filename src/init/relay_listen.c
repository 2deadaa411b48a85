/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of a container that listen for the host. They are made outside the container and bound into it, so that nothing that its image or its processes do can lead
 * their making elsewhere, nor take them away. */
#include "init/relay.h"

#include "agent.pb-c.h"
#include "base/file.h"
#include "base/str.h"
#include "base/unix_socket.h"
#include "init/user.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BACKLOG        128
#define NAME_MAX_BYTES 32
#define REST_MS        100 /* before the next try to accept */

/* One that waits to be taken. */
struct accepted {
	struct accepted *next;
	uint64_t number;
	int fd;
};

struct relay_listener {
	struct relay_listener *next;
	struct container *container;
	struct rpc_call *call;
	char *path;
	int fd;
	uv_poll_t *poll;
	uv_timer_t *rest; /* after a failure to accept */
	struct accepted *accepted;
};

/* ---- who may connect ---- */

static char *read_image_file(int root, const char *path)
{
	_fd_ int fd = open_in_root(root, path, O_PATH, 0);
	_free_ char *again = str_format("/proc/self/fd/%d", fd);
	char *text = NULL;

	/* A file that is missing or none holds no names. */
	if (fd >= 0)
		(void)file_read(AT_FDCWD, again, USER_FILE_MAX, &text, NULL);
	return text;
}

static int find_owner(const struct container *container, const Coracle__Agent__V1__ListenRequest *request,
		      uid_t *uid, gid_t *gid, struct cor_error *err)
{
	const struct oci_process *process = container->spec->process;
	_cleanup_(user_release) struct user user = {.uid = request->uid, .gid = request->gid};
	int r = 0;

	if (request->process_owns && process && process->username) {
		_fd_ int root = open(container->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		_free_ char *passwd = read_image_file(root, "/etc/passwd"),
			    *group = read_image_file(root, "/etc/group");

		r = user_find(passwd, group, process->username, &user, err);
	} else if (request->process_owns && process) {
		user.uid = process->uid;
		user.gid = process->gid;
	}
	*uid = user.uid;
	*gid = user.gid;
	return r;
}

/* ---- making the socket ---- */

static int make_socket(struct relay_listener *listener, const Coracle__Agent__V1__ListenRequest *request,
		       struct cor_error *err)
{
	_free_ char *folder = str_format("%s/sockets", listener->container->folder);
	_fd_ int dir = -1;
	uid_t uid;
	gid_t gid;
	int r = find_owner(listener->container, request, &uid, &gid, err);

	if (r < 0)
		return r;
	mkdir(folder, 0755);
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : unix_listen_at(dir, request->name, BACKLOG, &listener->fd);
	if (r == -EADDRINUSE)
		return cor_fail(err, COR_EXISTS, EEXIST, "container '%s' has a socket '%s' already",
				listener->container->id, request->name);
	if (r < 0)
		return cor_fail_errno(err, r, "a socket of container '%s'", listener->container->id);
	listener->path = str_format("%s/%s", folder, request->name);
	if (fchownat(dir, request->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, request->name, request->mode & 0777, 0) < 0)
		return cor_fail_errno(err, errno, "a socket of container '%s'", listener->container->id);
	return 0;
}

/* ---- accepting ---- */

static void on_rested(uv_timer_t *timer);

static void announce(struct relay_listener *listener, int fd)
{
	Coracle__Agent__V1__ListenResponse response = CORACLE__AGENT__V1__LISTEN_RESPONSE__INIT;
	struct accepted *accepted = xcalloc(1, sizeof(*accepted));
	struct guest *guest = listener->container->guest;

	*accepted = (struct accepted){.next = listener->accepted, .number = ++guest->accepted, .fd = fd};
	listener->accepted = accepted;
	guest->connections++;
	response.kind_case = CORACLE__AGENT__V1__LISTEN_RESPONSE__KIND_ACCEPTED;
	response.accepted = accepted->number;
	rpc_call_send_message(listener->call, &response.base);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct relay_listener *listener = poll->data;
	int fd;

	if (listener->container->guest->connections >= RELAYS_MAX) {
		uv_poll_stop(poll); /* until a place becomes free */
		return;
	}
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		announce(listener, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* Out of descriptors: polling would come back at once, for ever. */
		uv_poll_stop(poll);
		uv_timer_start(listener->rest, on_rested, REST_MS, 0);
	}
}

static void on_rested(uv_timer_t *timer)
{
	struct relay_listener *listener = timer->data;

	uv_poll_start(listener->poll, UV_READABLE, on_connection);
}

void relay_put_place(struct guest *guest)
{
	guest->connections--;
	for (struct relay_listener *listener = guest->listeners; listener; listener = listener->next)
		on_rested(listener->rest);
}

/* Takes one out of its list; its descriptor. */
static int accepted_pop(struct accepted **link)
{
	_free_ struct accepted *accepted = *link;

	*link = accepted->next;
	return accepted->fd;
}

int relay_take_accepted(struct container *container, uint64_t number)
{
	for (struct relay_listener *listener = container->guest->listeners; listener;
	     listener = listener->next)
		for (struct accepted **link = &listener->accepted; *link; link = &(*link)->next)
			if (listener->container == container && (*link)->number == number)
				return accepted_pop(link);
	return -1;
}

/* ---- the call ---- */

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void listener_free(struct relay_listener *listener)
{
	struct guest *guest = listener->container->guest;
	struct relay_listener **link = &guest->listeners;

	while (*link && *link != listener)
		link = &(*link)->next;
	if (*link)
		*link = listener->next;
	if (listener->poll)
		uv_close((uv_handle_t *)listener->poll, free_handle);
	if (listener->rest)
		uv_close((uv_handle_t *)listener->rest, free_handle);
	close_fd(&listener->fd);
	if (listener->path)
		unlink(listener->path);
	while (listener->accepted) {
		close(accepted_pop(&listener->accepted));
		relay_put_place(guest);
	}
	free(listener->path);
	free(listener);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	listener_free(user);
}

static bool is_socket_name(const char *name)
{
	return guest_id_valid(name) && strlen(name) <= NAME_MAX_BYTES;
}

static int listener_open(struct relay_listener *listener, const Coracle__Agent__V1__ListenRequest *request,
			 struct cor_error *err)
{
	uv_poll_t *poll;
	int r = make_socket(listener, request, err);

	if (r < 0)
		return r;
	poll = xcalloc(1, sizeof(*poll));
	r = uv_poll_init(listener->container->guest->loop, poll, listener->fd);
	if (r < 0) {
		free(poll);
		return cor_fail_errno(err, r, "a socket of container '%s'", listener->container->id);
	}
	poll->data = listener;
	listener->poll = poll;
	listener->rest = xcalloc(1, sizeof(*listener->rest));
	uv_timer_init(listener->container->guest->loop, listener->rest);
	listener->rest->data = listener;
	return 0;
}

int relay_listen(void *service, struct rpc_call *call, const ProtobufCMessage *message, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_end};
	const Coracle__Agent__V1__ListenRequest *request = (const void *)message;
	Coracle__Agent__V1__ListenResponse response = CORACLE__AGENT__V1__LISTEN_RESPONSE__INIT;
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;
	struct guest *guest = service;
	struct container *container = container_find(guest, request->container_id, err);
	struct relay_listener *listener;
	int r;

	if (!container)
		return -ENOENT;
	if (!is_socket_name(request->name))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no name of a socket", request->name);
	listener = xcalloc(1, sizeof(*listener));
	*listener = (struct relay_listener){.container = container, .call = call, .fd = -1};
	r = listener_open(listener, request, err);
	if (r < 0) {
		listener_free(listener);
		return r;
	}
	listener->next = guest->listeners;
	guest->listeners = listener;
	uv_poll_start(listener->poll, UV_READABLE, on_connection);
	rpc_call_listen(call, &events, listener);
	response.kind_case = CORACLE__AGENT__V1__LISTEN_RESPONSE__KIND_LISTENING;
	response.listening = &empty;
	rpc_call_send_message(call, &response.base);
	return 0;
}

void relay_end_listeners(struct container *container)
{
	struct relay_listener *next;
	struct cor_error reason;

	cor_fail(&reason, COR_CANCELLED, ECANCELED, "the container was deleted");
	for (struct relay_listener *listener = container->guest->listeners; listener; listener = next) {
		struct rpc_call *call = listener->call;

		next = listener->next;
		if (listener->container != container)
			continue;
		rpc_call_listen(call, &(struct rpc_call_events){0}, NULL);
		listener_free(listener);
		rpc_call_finish(call, &reason);
	}
}
