/* SPDX-License-Identifier: Apache-2.0 */
/* The library's end of the connection to a shim. A fresh shim gets one end of a socket pair, so that nobody waits for a socket file to appear; later clients
 * find shim.sock through a descriptor of its folder, because a socket's address has room for 107 bytes and a root's path has no limit. */
#include "container/shim_client.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/prefix.h"
#include "base/str.h"
#include "container/detach.h"
#include "container/folders.h"
#include "container/lock.h"
#include "container/pool.h"
#include "container/record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define CONNECT_MS     10000 /* between a shim's lock and its socket */
#define CONNECT_NAP_MS 5
#define PROTOCOL       1

/* ---- programs ---- */

static char *if_executable(char *path)
{
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *program_find(const char *variable, const char *build_path, const char *name)
{
	static const char *const ups[] = {"", "../", "../../"};
	const char *given = getenv(variable);
	char here[4096];
	ssize_t n;
	char *path = NULL;

	if (!str_empty(given))
		return xstrdup(given);
	n = readlink("/proc/self/exe", here, sizeof(here) - 1);
	if (n > 0) {
		char *slash;

		here[n] = '\0';
		slash = strrchr(here, '/');
		if (slash)
			*slash = '\0';
		for (size_t up = 0; !path && up < ARRAY_SIZE(ups); up++)
			path = if_executable(str_format("%s/%s%s", here, ups[up], build_path));
		if (!path)
			path = if_executable(str_format("%s/../lib/coracle/%s", here, name));
	}
	return path ? path : if_executable(str_format("%s/lib/coracle/%s", CORACLE_PREFIX, name));
}

char *shim_program(void)
{
	return program_find("CORACLE_SHIM", "src/shim/coracle-shim", "coracle-shim");
}

/* ---- the connection ---- */

static void on_close(struct rpc_conn *conn, const struct cor_error *reason, void *context)
{
	struct shim_client *client = context;

	client->conn = NULL;
	rpc_conn_free(conn);
	uv_stop(&client->loop);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void shim_client_free(struct shim_client *client)
{
	if (!client)
		return;
	rpc_conn_free(client->conn);
	client->conn = NULL;
	if (client->loop_ready) {
		uv_run(&client->loop, UV_RUN_NOWAIT);
		uv_walk(&client->loop, close_handle, NULL);
		while (uv_run(&client->loop, UV_RUN_DEFAULT))
			;
		uv_loop_close(&client->loop);
	}
	free(client);
}

int shim_call(struct shim_client *client, const char *path, const ProtobufCMessage *request,
	      const ProtobufCMessageDescriptor *response_type, uint64_t timeout_ms,
	      ProtobufCMessage **ret_response, struct cor_error *err)
{
	ProtobufCMessage *response = NULL;
	int r;

	if (!client->conn)
		return cor_fail(err, COR_UNAVAILABLE, EPIPE, "container %.12s: its shim is gone", client->id);
	r = rpc_call_sync(client->conn, path, request, response_type, timeout_ms, &response, err);
	if (r < 0)
		return r;
	if (ret_response)
		*ret_response = response;
	else
		protobuf_c_message_free_unpacked(response, NULL);
	return 0;
}

int shim_run_until(struct shim_client *client, const bool *done, struct cor_error *err)
{
	while (!*done && client->conn)
		uv_run(&client->loop, UV_RUN_ONCE);
	return *done ? 0
		     : cor_fail(err, COR_UNAVAILABLE, EPIPE, "container %.12s: its shim is gone", client->id);
}

static int no_answer(const char *id, struct cor_error *err)
{
	return cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
			"container %.12s: its shim does not answer: `coracle rm -f %.12s` ends it", id, id);
}

static int hello(struct shim_client *client, uint64_t timeout_ms, struct cor_error *err)
{
	Coracle__Shim__V1__HelloRequest request = CORACLE__SHIM__V1__HELLO_REQUEST__INIT;
	ProtobufCMessage *response = NULL;
	char name[] = "libcoracle " CORACLE_VERSION;
	unsigned protocol;
	int r;

	request.protocol = PROTOCOL;
	request.client = name;
	r = shim_call(client, SHIM_METHOD("Hello"), &request.base,
		      &coracle__shim__v1__hello_response__descriptor, timeout_ms, &response, err);
	if (r == -ETIMEDOUT)
		return no_answer(client->id, err);
	if (r < 0)
		return r;
	protocol = ((Coracle__Shim__V1__HelloResponse *)response)->protocol;
	protobuf_c_message_free_unpacked(response, NULL);
	if (protocol < 1 || protocol > PROTOCOL)
		return cor_fail(err, COR_UNSUPPORTED, EPROTONOSUPPORT,
				"container %.12s: its shim speaks protocol %u, this coracle up to %d",
				client->id, protocol, PROTOCOL);
	return 0;
}

int shim_client_open(const char *id, int fd, struct shim_client **ret, struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = xcalloc(1, sizeof(*client));
	_fd_ int socket_fd = fd;
	struct rpc_client_options options = {.on_close = on_close, .context = client};
	int r = uv_loop_init(&client->loop);

	memcpy(client->id, id, ID_SIZE);
	if (r < 0)
		return cor_fail_errno(err, r, "event loop");
	client->loop_ready = true;
	r = rpc_connect(&client->loop, steal_fd(&socket_fd), &options, &client->conn, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(client);
	return 0;
}

/* ---- a fresh shim ---- */

#define MAINTENANCE_LOG "maintenance.log"

static int open_shim_log(int dir, enum shim_purpose purpose)
{
	return openat(dir, purpose != SHIM_RUNS ? MAINTENANCE_LOG : "shim.log",
		      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int start_program(const struct roots *roots, const char *id, enum shim_purpose purpose, int client_fd,
			 struct cor_error *err)
{
	_free_ char *program = shim_program();
	_fd_ int dir = container_data_dir(roots, id), log = -1;

	if (!program)
		return cor_fail(
			err, COR_UNSUPPORTED, ENOENT,
			"coracle-shim is not installed in %s/lib/coracle: set CORACLE_SHIM to its path",
			CORACLE_PREFIX);
	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	log = open_shim_log(dir, purpose);
	if (log < 0)
		return cor_fail_errno(err, errno, "container %.12s: shim.log", id);
	return process_detach((const char *const[]){program, "--data", roots->data, "--run", roots->run,
						    "--id", id, "--client", "3",
						    purpose != SHIM_RUNS ? "--maintenance" : NULL,
						    purpose == SHIM_FILES ? "--with-volumes" : NULL, NULL},
			      log, client_fd, err);
}

/* What a shim that ended before it could answer wrote last. */
static int explain_death(const struct roots *roots, const char *id, enum shim_purpose purpose, int r,
			 struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, id);
	_free_ char *text = NULL;
	size_t size;
	char *line;

	if (dir < 0 ||
	    file_read(dir, purpose != SHIM_RUNS ? MAINTENANCE_LOG : "shim.log", 1 << 20, &text, &size) < 0 ||
	    !size)
		return r;
	if (text[size - 1] == '\n')
		text[size - 1] = '\0';
	line = strrchr(text, '\n');
	return cor_fail(err, COR_UNAVAILABLE, r, "container %.12s: its shim ended: %s", id,
			line ? line + 1 : text);
}

int shim_spawn(const struct roots *roots, const char *id, enum shim_purpose purpose, struct shim_client **ret,
	       struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	_fd_ int ours = -1, theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return cor_fail_errno(err, errno, "socket pair");
	ours = pair[0];
	theirs = pair[1];
	r = start_program(roots, id, purpose, theirs, err);
	if (r < 0)
		return r;
	close_fd(&theirs);
	r = shim_client_open(id, steal_fd(&ours), &client, err);
	if (r < 0)
		return r;
	/* It starts the machine before it looks at its clients. */
	r = hello(client, SHIM_CALL_MS, err);
	if (r < 0)
		return client->conn ? r : explain_death(roots, id, purpose, r, err);
	*ret = steal_ptr(client);
	return 0;
}

/* ---- one that waits for a container ---- */

static int claim(const struct roots *roots, const struct container_record *record, int *ret_fd)
{
	_fd_ int dir = container_data_dir(roots, record->id),
		 log = dir < 0 ? -1 : open_shim_log(dir, SHIM_RUNS);

	return log < 0 ? -ENOENT : pool_claim(roots, record, log, ret_fd);
}

int shim_claim_or_spawn(const struct roots *roots, const struct container_record *record,
			struct shim_client **ret, struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	int fd = -1, r;

	if (!pool_fits(record) || claim(roots, record, &fd) < 0)
		return shim_spawn(roots, record->id, SHIM_RUNS, ret, err);
	/* From here on it is the container's shim: what fails now has failed for the container. */
	r = shim_client_open(record->id, fd, &client, err);
	if (r < 0)
		return r;
	r = hello(client, SHIM_CALL_MS, err);
	if (r < 0)
		return client->conn ? r : explain_death(roots, record->id, SHIM_RUNS, r, err);
	*ret = steal_ptr(client);
	return 0;
}

/* ---- a shim that runs ---- */

static int connect_socket(int dir, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	/* Whom a stopped shim has no room for any more is told so, instead of waiting for ever. */
	_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/shim.sock", dir);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* A shim holds its lock a little before its socket is there and a little after it is gone. */
static int reach_socket(const struct roots *roots, const char *id, int *ret_fd, struct cor_error *err)
{
	uint64_t until = clock_monotonic_ns() + CONNECT_MS * UINT64_C(1000000);

	for (;;) {
		_fd_ int dir = -1;
		int r = container_is_locked(roots, id);

		if (r < 0)
			return cor_fail_errno(err, r, "container %.12s: lock", id);
		if (r == 0)
			return cor_fail(err, COR_BUSY, ENOTCONN, "container %.12s is not running", id);
		dir = container_run_dir(roots, id);
		if (dir < 0)
			return cor_fail_errno(err, dir, "container %.12s: run folder", id);
		r = connect_socket(dir, ret_fd);
		if (r == 0)
			return 0;
		if (r == -EAGAIN && clock_monotonic_ns() > until)
			return no_answer(id, err);
		if ((r != -ENOENT && r != -ECONNREFUSED && r != -EAGAIN) || clock_monotonic_ns() > until)
			return cor_fail(err, COR_UNAVAILABLE, r,
					"container %.12s: its shim cannot be reached: %s", id, strerror(-r));
		poll(NULL, 0, CONNECT_NAP_MS);
	}
}

int shim_connect(const struct roots *roots, const char *id, struct shim_client **ret, struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	_fd_ int fd = -1;
	int r = reach_socket(roots, id, &fd, err);

	r = r ?: shim_client_open(id, steal_fd(&fd), &client, err);
	r = r ?: hello(client, SHIM_HELLO_MS, err);
	if (r == 0)
		*ret = steal_ptr(client);
	return r;
}

/* Who listens, not who accepts: the process that holds the socket now need not exist to answer. */
static pid_t peer_pid(int fd)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

static int find_pid(const struct roots *roots, const char *id, pid_t *ret, struct cor_error *err)
{
	_fd_ int dir = container_run_dir(roots, id), fd = -1;
	int r = dir < 0 ? dir : connect_socket(dir, &fd);

	/* Only a full backlog is no question of patience. A shim of an older build has written no pid. */
	*ret = r == -EAGAIN ? container_lock_pid(roots, id) : 0;
	if (*ret > 0)
		return 0;
	r = r < 0 ? reach_socket(roots, id, &fd, err) : 0;
	if (r == 0)
		*ret = peer_pid(fd);
	return r;
}

int shim_kill(const struct roots *roots, const char *id, struct cor_error *err)
{
	_fd_ int pidfd = -1;
	pid_t pid;
	int r = find_pid(roots, id, &pid, err);

	if (r < 0)
		return r;
	if (pid > 0)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* The lock tells that the shim still lived after its pid was turned into a descriptor. */
	if (pidfd < 0 || container_is_locked(roots, id) != 1 ||
	    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
		return cor_fail(err, COR_UNAVAILABLE, EIO,
				"container %.12s: its shim can be neither reached nor killed", id);
	return 0;
}
