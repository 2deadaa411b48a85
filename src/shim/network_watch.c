/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of networks come back when somebody has taken them away. All shims hear of it at once; each waits for a moment of its own, and the first to wake does it
 * for all. */
#include "shim/shim.h"

#define FIRST_MS 50
#define STEP_MS  20
#define STEPS    32
#define AGAIN_MS 5000

static void on_timer(uv_timer_t *timer)
{
	struct shim *shim = timer->data;
	int r;

	if (!net_watch_read(&shim->network_watch.rules))
		return;
	log_warning("the rules of networks were taken away: they are written anew");
	r = net_watch_repair(shim->roots.run_fd);
	if (r < 0)
		log_warning("the rules of networks cannot be written anew: %s", strerror(-r));
	/* That they are back is heard of; until then it is tried again. */
	uv_timer_start(timer, on_timer, AGAIN_MS, 0);
}

static void on_rules(uv_poll_t *poll, int status, int events)
{
	struct shim *shim = poll->data;

	if (net_watch_read(&shim->network_watch.rules) &&
	    !uv_is_active((uv_handle_t *)&shim->network_watch.timer))
		uv_timer_start(&shim->network_watch.timer, on_timer,
			       FIRST_MS + STEP_MS * (uint64_t)(getpid() % STEPS), 0);
}

void network_watch_begin(struct shim *shim)
{
	struct network_watch *watch = &shim->network_watch;
	size_t bridges = 0;
	int r;

	for (size_t i = 0; i < shim->port_count; i++)
		bridges += !shim->ports[i].user;
	if (!bridges)
		return;
	r = net_watch_open(shim->roots.run_fd, &watch->rules);

	if (r < 0) {
		log_warning("nobody will notice when the rules of networks are taken away: %s", strerror(-r));
		return;
	}
	uv_poll_init(&shim->loop, &watch->poll, watch->rules.fd);
	uv_timer_init(&shim->loop, &watch->timer);
	watch->poll.data = watch->timer.data = shim;
	uv_poll_start(&watch->poll, UV_READABLE, on_rules);
	watch->on = true;
}

void network_watch_end(struct shim *shim)
{
	struct network_watch *watch = &shim->network_watch;

	if (!watch->on)
		return;
	watch->on = false;
	uv_poll_stop(&watch->poll);
	uv_timer_stop(&watch->timer);
	net_watch_close(&watch->rules);
}
