/* SPDX-License-Identifier: Apache-2.0 */
/* One connection between a socket of the host and one of the container: a call Relay to the guest, joined with a socket here. Whatever the guest says, the socket here is
 * connected to the one that the user named, or came in at one that we made. */
#pragma once

#include "shim/shim.h"

#define RELAYS_MAX 512u /* connections at once; what is more waits in backlogs */

/* One that the guest accepted (its number) is to be joined with a new connection to the socket at `path`, an absolute path of the host, looked up now. Borrowed
 * during the call. */
void relay_to_host(struct shim *shim, uint64_t number, const char *path);
/* One that came in here, which is taken over, is to be joined with the socket at `path` in the container. */
void relay_to_container(struct shim *shim, int fd, const char *path);
