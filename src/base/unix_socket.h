/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets by descriptors, since a socket's address has room for 107 bytes and a path has no limit. All return 0 or -errno. */
#pragma once

#include <stdbool.h>

/* Makes a stream socket, non-blocking, whose file is `name` in the folder `dir`, with mode 0600. -EADDRINUSE when something is there; -ENAMETOOLONG for names of more than some
 * 80 bytes. */
int unix_listen_at(int dir, const char *name, int backlog, int *ret_fd);

/* Connects a new stream socket, non-blocking, to a socket's file (O_PATH). That is done at once or fails: -EAGAIN means that the listener has no room for another now.
 * -ENOTSOCK. */
int unix_connect(int file, int *ret_fd);

/* True when a socket's file (O_PATH) has nobody that listens at it. A listener does not notice the question. */
bool unix_is_dead(int file);
