/* SPDX-License-Identifier: Apache-2.0 */
/* One descriptor serves all sessions, one after the other: the port stays open, each session gets a duplicate. Processes in the
 * guest do not notice that sessions come and go. */
#include "init/line.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>

static void wait_for_hello(struct line *line);

static bool on_bytes(void *context, const uint8_t *data, size_t size, size_t *ret_end)
{
	struct line *line = context;

	if (!handshake_guest_feed(&line->handshake, data, size, ret_end, line->reply))
		return false;
	line->restarted = true;
	return true;
}

static void begin_session(struct line *line)
{
	struct cor_error err;
	int fd = fcntl(line->fd, F_DUPFD_CLOEXEC, 0);

	line->restarted = false;
	if (line->on_first_hello)
		line->on_first_hello(line->context);
	line->on_first_hello = NULL;
	uv_poll_stop(&line->poll);
	/* The reply is smaller than any buffer on its way, and nothing else is being written. */
	if (fd < 0 || fd_write_all(line->fd, line->reply, sizeof(line->reply)) < 0 ||
	    rpc_serve(line->loop, fd, &line->options, &line->session, &err) < 0) {
		log_error("cannot begin a session with the host");
		wait_for_hello(line);
	}
}

static void on_session_end(struct rpc_conn *session, void *context)
{
	struct line *line = context;

	rpc_conn_free(session);
	line->session = NULL;
	if (line->restarted)
		begin_session(line);
	else
		wait_for_hello(line);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct line *line = poll->data;
	uint8_t data[4096];
	ssize_t n = read(line->fd, data, sizeof(data));
	size_t used;

	/* The host sends nothing after a hello before it has the reply, so that nothing is lost behind it. */
	if (n > 0 && handshake_guest_feed(&line->handshake, data, (size_t)n, &used, line->reply))
		begin_session(line);
}

static void wait_for_hello(struct line *line)
{
	uv_poll_start(&line->poll, UV_READABLE, on_readable);
}

int line_start(struct line *line, uv_loop_t *loop, int fd, const struct rpc_service *services, size_t count,
	       struct cor_error *err)
{
	int r = fd_set_nonblocking(fd, true);

	*line = (struct line){.loop = loop, .fd = fd};
	line->options = (struct rpc_server_options){
		.services = services,
		.service_count = count,
		.inspect = on_bytes,
		.on_close = on_session_end,
		.context = line,
	};
	if (r == 0)
		r = uv_poll_init(loop, &line->poll, fd);
	if (r < 0)
		return cor_fail_errno(err, r, "the port to the host");
	line->poll.data = line;
	wait_for_hello(line);
	return 0;
}

int line_open_port(const char *name)
{
	_dir_ DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *entry;

	if (!ports)
		return -errno;
	while ((entry = readdir(ports))) {
		_free_ char *path = str_format("/sys/class/virtio-ports/%s/name", entry->d_name);
		_free_ char *device = str_format("/dev/%s", entry->d_name);
		_free_ char *text = NULL;
		int fd;

		if (entry->d_name[0] == '.' || file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (strcmp(text, name) != 0)
			continue;
		fd = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}
	return -ENODEV;
}
