/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's end of the virtio-serial port: waits for a hello, serves the agent's API, and begins anew when the host does. */
#pragma once

#include "base/error.h"
#include "rpc/handshake.h"
#include "rpc/rpc.h"

struct line {
	uv_loop_t *loop;
	int fd;
	uv_poll_t poll; /* active between sessions, while a hello is awaited */
	struct handshake_guest handshake;
	struct rpc_server_options options;
	struct rpc_conn *session; /* NULL between sessions */
	uint8_t reply[HANDSHAKE_REPLY_SIZE];
	void (*on_first_hello)(void *context); /* called once; may be NULL */
	void *context;
	bool restarted; /* reply is due: a hello came in the middle of a session */
};

/* Serves the services over fd, which is taken over. They are borrowed. on_first_hello and context are the caller's to set afterwards. */
int line_start(struct line *line, uv_loop_t *loop, int fd, const struct rpc_service *services, size_t count,
	       struct cor_error *err);

/* Finds the character device of the port that the host named so (/sys/class/virtio-ports/NAME/name) and opens it. A descriptor or -errno. */
int line_open_port(const char *name);
