/* SPDX-License-Identifier: Apache-2.0 */
/* FreezeContainer: the call is the freeze, so that a command that dies lets the container go. */
#include "init/freeze.h"

#include "agent.pb-c.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/container.h"
#include "init/guest.h"

#include <errno.h>

#define FREEZE_TRIES  2000
#define FREEZE_NAP_MS 5

struct freezing {
	struct guest *guest;
	struct rpc_call *call;
	char *container_id;
	uv_timer_t *timer; /* looks whether it has come to pass */
	unsigned tries;
};

static void free_timer(uv_handle_t *handle)
{
	free(handle);
}

static void on_frozen_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct freezing *freezing = user;
	struct container *container = container_find(freezing->guest, freezing->container_id, NULL);

	if (container && --container->freezers == 0)
		cgroup_freeze(container->cgroup, false);
	uv_close((uv_handle_t *)freezing->timer, free_timer);
	free(freezing->container_id);
	free(freezing);
}

static void on_freeze_look(uv_timer_t *timer)
{
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;
	struct freezing *freezing = timer->data;
	struct container *container = container_find(freezing->guest, freezing->container_id, NULL);
	struct cor_error err;

	if (container && cgroup_is_frozen(container->cgroup)) {
		uv_timer_stop(timer);
		rpc_call_send_message(freezing->call, &empty.base);
	} else if (!container || ++freezing->tries == FREEZE_TRIES) {
		uv_timer_stop(timer);
		cor_fail(&err, COR_TIMEOUT, ETIMEDOUT, "the container's processes do not come to a halt");
		rpc_call_finish(freezing->call, &err);
	}
}

int freeze_container(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		     struct cor_error *err)
{
	static const struct rpc_call_events frozen_events = {.on_end = on_frozen_end};
	const Coracle__Agent__V1__ContainerRef *request = (const void *)message;
	struct container *container = container_find(service, request->container_id, err);
	struct freezing *freezing;
	int r;

	if (!container)
		return -ENOENT;
	r = cgroup_freeze(container->cgroup, true);
	if (r < 0)
		return cor_fail_errno(err, r, "freeze container '%s'", container->id);
	container->freezers++;
	freezing = xcalloc(1, sizeof(*freezing));
	*freezing = (struct freezing){.guest = service,
				      .call = call,
				      .container_id = xstrdup(container->id),
				      .timer = xcalloc(1, sizeof(*freezing->timer))};
	uv_timer_init(freezing->guest->loop, freezing->timer);
	freezing->timer->data = freezing;
	rpc_call_listen(call, &frozen_events, freezing);
	uv_timer_start(freezing->timer, on_freeze_look, 0, FREEZE_NAP_MS);
	return 0;
}
