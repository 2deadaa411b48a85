/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel has no way to tell when a listener's queue has room again, so it is asked from time to time. */
#include "rpc/dial.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/unix_socket.h"

#include <errno.h>

#define NAP_MS 20

struct rpc_dial {
	uv_timer_t timer;
	int file;
	uint64_t until_ns;
	void (*done)(int fd, void *user);
	void *user;
};

static void on_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void rpc_dial_free(struct rpc_dial *dial)
{
	if (!dial)
		return;
	close_fd(&dial->file);
	uv_close((uv_handle_t *)&dial->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
	struct rpc_dial *dial = timer->data;
	int fd = -1, r = unix_connect(dial->file, &fd);

	if (r == -EAGAIN && clock_monotonic_ns() < dial->until_ns) {
		uv_timer_start(timer, on_timer, NAP_MS, 0);
		return;
	}
	rpc_dial_free(dial);
	dial->done(r == 0 ? fd : r == -EAGAIN ? -ETIMEDOUT : r, dial->user);
}

struct rpc_dial *rpc_dial_new(uv_loop_t *loop, int file, uint64_t timeout_ms,
			      void (*done)(int fd, void *user), void *user)
{
	struct rpc_dial *dial = xcalloc(1, sizeof(*dial));

	*dial = (struct rpc_dial){.file = file,
				  .until_ns = clock_monotonic_ns() + timeout_ms * UINT64_C(1000000),
				  .done = done,
				  .user = user};
	uv_timer_init(loop, &dial->timer);
	dial->timer.data = dial;
	uv_timer_start(&dial->timer, on_timer, 0, 0);
	return dial;
}
