/* SPDX-License-Identifier: Apache-2.0 */
/* `stop`, `kill`, `wait` and `rm`: the ways in which a container ends. */
#include "base/clock.h"
#include "container/context.h"
#include "container/folders.h"
#include "container/lock.h"
#include "container/shim_client.h"
#include "container/store.h"
#include "container/volumes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>

#define FREED_MS   30000 /* for a machine to go, once its processes have ended */
#define RELEASE_MS 10000 /* for a shim to let go of its lock after its last answer or its death */
#define DEATH_MS                                                                                             \
	2000 /* between the end of a dying shim's connections and that of its lock: the kernel closes in any order */
#define LOCK_NAP_MS 5
#define FOREVER_S   (10 * 365 * 86400) /* of a stop that is never to kill */

struct target {
	struct container_record record;
	struct container_state state;
};

static int pass_on(struct cor_error *err, const struct cor_error *error, int r)
{
	if (err)
		*err = *error;
	return r;
}

static void target_release(struct target *target)
{
	container_record_release(&target->record);
}

static int target_find(struct cor_context *ctx, const char *ref, struct target *target, struct cor_error *err)
{
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	r = r ?: container_record_read(&ctx->roots, id, &target->record, err);
	return r ?: container_settle(&ctx->roots, &target->record, &target->state, err);
}

/* Until no shim holds the container. */
static int await_unlocked(struct cor_context *ctx, const char *id, uint64_t timeout_ms, struct cor_error *err)
{
	uint64_t until = clock_monotonic_ns() + timeout_ms * UINT64_C(1000000);

	for (;;) {
		int r = container_is_locked(&ctx->roots, id);

		if (r <= 0)
			return r < 0 ? cor_fail_errno(err, r, "container %.12s: lock", id) : 0;
		if (clock_monotonic_ns() > until)
			return cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
					"container %.12s: its shim does not let go", id);
		poll(NULL, 0, LOCK_NAP_MS);
	}
}

/* ---- stop and kill ---- */

/* A broken connection is no failure here: the shim ends, with the answer or without it. */
static int ask_stop(struct cor_context *ctx, const struct container_record *record, unsigned signal_number,
		    int timeout_s, struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	Coracle__Shim__V1__StopRequest request = CORACLE__SHIM__V1__STOP_REQUEST__INIT;
	struct cor_error error = {0};
	uint64_t deadline_ms;
	int r;

	if (timeout_s < 0)
		timeout_s = record->stop_timeout_s < 0 ? FOREVER_S : record->stop_timeout_s;
	timeout_s = MIN(timeout_s, INT32_MAX / 1000);
	request.timeout_ms = timeout_s * 1000;
	request.signal = signal_number;
	deadline_ms = (uint64_t)request.timeout_ms + FREED_MS;
	r = shim_connect(&ctx->roots, record->id, &client, &error);
	if (r == 0)
		r = shim_call(client, SHIM_METHOD("Stop"), &request.base,
			      &coracle__shim__v1__empty__descriptor, deadline_ms, NULL, &error);
	if (r == 0 || error.status == COR_BUSY ||
	    (error.status == COR_UNAVAILABLE && await_unlocked(ctx, record->id, DEATH_MS, NULL) == 0))
		return 0;
	return pass_on(err, &error, r);
}

int cor_container_stop(struct cor_context *ctx, const char *ref, int timeout_s, struct cor_error *err)
{
	_cleanup_(target_release) struct target target = {0};
	int r = target_find(ctx, ref, &target, err);

	if (r < 0)
		return r;
	if (container_is_locked(&ctx->roots, target.record.id) == 0)
		return 0;
	r = ask_stop(ctx, &target.record, 0, timeout_s, err);
	r = r ?: await_unlocked(ctx, target.record.id, RELEASE_MS, err);
	return r < 0 ? cor_context(err, r, "stop '%s'", target.record.name) : 0;
}

int cor_container_kill(struct cor_context *ctx, const char *ref, int number, struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	_cleanup_(target_release) struct target target = {0};
	Coracle__Shim__V1__SignalRequest request = CORACLE__SHIM__V1__SIGNAL_REQUEST__INIT;
	int r;

	if (number < 1 || number > 64)
		return cor_fail(err, COR_INVALID, EINVAL, "there is no signal %d", number);
	r = target_find(ctx, ref, &target, err);
	if (r < 0)
		return r;
	if (target.state.status != COR_RUNNING)
		return cor_fail(err, COR_BUSY, ENOTCONN, "container '%s' is not running", target.record.name);
	request.signal = (unsigned)number;
	r = shim_connect(&ctx->roots, target.record.id, &client, err);
	r = r
		    ?: shim_call(client, SHIM_METHOD("Signal"), &request.base,
				 &coracle__shim__v1__empty__descriptor, SHIM_CALL_MS, NULL, err);
	return r < 0 ? cor_context(err, r, "kill '%s'", target.record.name) : 0;
}

/* ---- wait ---- */

/* Until state.json changes or the bundle goes. Watches first and looks then, so that nothing is missed. */
static int await_change(struct cor_context *ctx, const char *id, enum cor_container_status unwanted,
			struct container_state *ret, struct cor_error *err)
{
	_free_ char *path = str_format("%s/containers/%s", ctx->roots.data, id);
	_fd_ int watch = inotify_init1(IN_CLOEXEC);
	char events[4096] __attribute__((aligned(8)));

	if (watch < 0 ||
	    inotify_add_watch(watch, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_ONLYDIR) < 0)
		return cor_fail_errno(err, errno, "watch container %.12s", id);
	for (;;) {
		int r = container_status(&ctx->roots, id, ret, err);

		if (r < 0 || ret->status != unwanted)
			return r;
		if (read(watch, events, sizeof(events)) < 0 && errno != EINTR)
			return cor_fail_errno(err, errno, "watch container %.12s", id);
	}
}

static int ask_wait(struct cor_context *ctx, const char *id, struct cor_exit *ret, struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	Coracle__Shim__V1__Empty request = CORACLE__SHIM__V1__EMPTY__INIT;
	Coracle__Agent__V1__ExitStatus *exit_status = NULL;
	int r = shim_connect(&ctx->roots, id, &client, err);

	r = r
		    ?: shim_call(client, SHIM_METHOD("Wait"), &request.base,
				 &coracle__agent__v1__exit_status__descriptor, RPC_NO_DEADLINE,
				 (ProtobufCMessage **)&exit_status, err);
	if (r < 0)
		return r;
	*ret = (struct cor_exit){.code = (int)(exit_status->code & 255),
				 .signal = (int)(exit_status->signal & 127),
				 .out_of_memory = exit_status->out_of_memory};
	protobuf_c_message_free_unpacked(&exit_status->base, NULL);
	return 0;
}

int cor_container_wait(struct cor_context *ctx, const char *ref, struct cor_exit *ret, struct cor_error *err)
{
	_cleanup_(target_release) struct target target = {0};
	struct cor_error error = {0};
	struct cor_exit asked;
	int r = target_find(ctx, ref, &target, err);

	if (r == 0 && target.state.status == COR_CREATED)
		r = await_change(ctx, target.record.id, COR_CREATED, &target.state, err);
	if (r < 0)
		return r;
	if (target.state.status == COR_RUNNING) {
		r = ask_wait(ctx, target.record.id, &asked, &error);
		if (r == 0 || error.status == COR_UNAVAILABLE)
			(void)await_unlocked(ctx, target.record.id, r == 0 ? RELEASE_MS : DEATH_MS, NULL);
		/* What is on disk knows more (the reason); where it is gone with its container, or the shim died, the other source counts. */
		if (container_status(&ctx->roots, target.record.id, &target.state, r < 0 ? err : NULL) < 0 ||
		    target.state.status != COR_EXITED) {
			if (r < 0)
				return pass_on(err, &error, r);
			*ret = asked;
			return 0;
		}
	}
	*ret = target.state.exit;
	return 0;
}

/* ---- remove ---- */

static int end_by_force(struct cor_context *ctx, const struct container_record *record, struct cor_error *err)
{
	int r = ask_stop(ctx, record, SIGKILL, 0, err);

	r = r ?: await_unlocked(ctx, record->id, RELEASE_MS, err);
	if (r == 0)
		return 0;
	/* It does not answer. Its VM dies with it, and what it held is recorded and freed by the next look. */
	r = shim_kill(&ctx->roots, record->id, err);
	return r ?: await_unlocked(ctx, record->id, RELEASE_MS, err);
}

static int remove_container(struct cor_context *ctx, const char *ref, bool force, bool volumes,
			    struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	struct cor_error error = {0};
	_fd_ int lock = -1;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err), files;

	if (r < 0)
		return r;
	r = container_record_read(&ctx->roots, id, &record, &error);
	if (r < 0 && !force)
		return pass_on(err, &error, r);
	if (force && container_is_locked(&ctx->roots, id) == 1) {
		memcpy(record.id, id, ID_SIZE);
		r = end_by_force(ctx, &record, err);
		if (r < 0)
			return cor_context(err, r, "remove '%s'", ref);
	}
	r = container_lock(&ctx->roots, id, &lock, &error);
	if (r == -EBUSY && container_lock_is_maintenance(&ctx->roots, id))
		return cor_fail(err, COR_BUSY, EBUSY,
				"container '%s' is busy: files are being copied into or out of it", ref);
	if (r == -EBUSY)
		return cor_fail(err, COR_BUSY, EBUSY,
				"container '%s' is running: stop it first or use 'rm -f'", ref);
	if (r < 0)
		return pass_on(err, &error, r);
	/* Before the container, so that who is killed in between can be asked again. A volume that would not go does not keep it: that is nobody's then, and `volume prune` takes it. */
	if (volumes || record.auto_remove)
		r = container_volumes_remove(&ctx->roots, &record, err);
	else
		r = 0;
	/* --rm may have removed it meanwhile, which is what was wanted. */
	files = container_remove_files(&ctx->roots, id, record.name, r < 0 ? NULL : err);
	return r ?: files;
}

int cor_container_remove(struct cor_context *ctx, const char *ref, bool force, struct cor_error *err)
{
	return remove_container(ctx, ref, force, false, err);
}

int cor_container_remove_all(struct cor_context *ctx, const char *ref, bool force, struct cor_error *err)
{
	return remove_container(ctx, ref, force, true, err);
}
