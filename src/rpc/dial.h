/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting to a unix socket whose listener may have no room now, without waiting for it. */
#pragma once

#include "base/macro.h"

#include <stdint.h>
#include <uv.h>

struct rpc_dial;

/* file: of the socket, O_PATH, taken over. done is called once, from the loop, with a connected, non-blocking socket, which is then its own, or -errno; the dial is gone
 * then. -ETIMEDOUT after so long without room. */
struct rpc_dial *rpc_dial_new(uv_loop_t *loop, int file, uint64_t timeout_ms,
			      void (*done)(int fd, void *user), void *user);
/* Gives up; done does not come. NULL is fine. */
void rpc_dial_free(struct rpc_dial *dial);
