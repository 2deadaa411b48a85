/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that a shim made for others on the host's file system, and the list of them that survives it, in RUN/c/SHORTID/sockets.json: whoever records a shim's death
 * removes them. */
#pragma once

#include "base/error.h"

/* Makes a socket at an absolute path, with mode 0600, that listens, and adds it to the list in the run folder. Replaces a socket of the same user at which nobody
 * listens any more, and nothing else: COR_EXISTS. */
int published_socket_make(int run_dir, const char *path, int *ret_fd, struct cor_error *err);

/* Removes every socket of the list that is still the one that was made, and the list. */
void published_sockets_remove(int run_dir);
