/* SPDX-License-Identifier: Apache-2.0 */
/* `start`, `attach` and `exec`: the calls that open a session. */
#include "base/clock.h"
#include "base/json.h"
#include "container/context.h"
#include "container/lock.h"
#include "container/process.h"
#include "container/session.h"
#include "container/store.h"
#include "container/volumes.h"

#include <errno.h>

#define GOODBYE_MS 20000 /* for a shim to clean up after a start that failed */

typedef Coracle__Shim__V1__StartResponse StartResponse;

static void on_goodbye(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* After a start that failed: waits until the shim is gone, so that the next command finds a settled state, and removes what was to go. */
static void clean_up(struct cor_context *ctx, struct shim_client *client,
		     const struct container_record *record)
{
	bool late = false;
	uv_timer_t timer;
	_fd_ int lock = -1;

	if (client) {
		uv_timer_init(&client->loop, &timer);
		timer.data = &late;
		uv_timer_start(&timer, on_goodbye, GOODBYE_MS, 0);
		(void)shim_run_until(client, &late, NULL);
		uv_close((uv_handle_t *)&timer, NULL);
		uv_run(&client->loop, UV_RUN_NOWAIT);
	}
	if (record->auto_remove && container_lock(&ctx->roots, record->id, &lock, NULL) == 0)
		(void)container_remove_itself(&ctx->roots, record, NULL);
}

static int check_startable(struct cor_context *ctx, const char *ref, struct container_record *record,
			   struct cor_error *err)
{
	struct container_state state;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	r = r ?: container_record_read(&ctx->roots, id, record, err);
	r = r ?: container_settle(&ctx->roots, record, &state, err);
	if (r < 0)
		return r;
	r = container_is_locked(&ctx->roots, id);
	if (r == 1 && container_lock_is_maintenance(&ctx->roots, id))
		return cor_fail(
			err, COR_BUSY, EBUSY,
			"container '%s' is busy: files are being copied into or out of it; start it when "
			"that has ended",
			record->name);
	if (r == 1)
		return cor_fail(err, COR_BUSY, EBUSY, "container '%s' is running", record->name);
	return r < 0 ? cor_fail_errno(err, r, "container '%s': lock", record->name) : 0;
}

static int ask_start(struct shim_client *client, const struct container_record *record, bool trace,
		     StartResponse **ret, struct cor_error *err)
{
	Coracle__Shim__V1__StartRequest request = CORACLE__SHIM__V1__START_REQUEST__INIT;

	request.trace = trace;
	return shim_call(client, SHIM_METHOD("Start"), &request.base,
			 &coracle__shim__v1__start_response__descriptor,
			 record->volume_count ? SHIM_FILL_MS : SHIM_START_MS, (ProtobufCMessage **)ret, err);
}

static int start_detached(struct cor_context *ctx, const struct container_record *record,
			  struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	StartResponse *started = NULL;
	int r = shim_claim_or_spawn(&ctx->roots, record, &client, err);

	r = r ?: ask_start(client, record, false, &started, err);
	if (started)
		protobuf_c_message_free_unpacked(&started->base, NULL);
	if (r < 0)
		clean_up(ctx, client, record);
	return r;
}

static int start_attached(struct cor_context *ctx, const struct container_record *record,
			  const struct cor_streams *streams, struct cor_session **ret, struct cor_error *err)
{
	struct shim_client *client = NULL;
	struct cor_session *session = NULL;
	StartResponse *started = NULL;
	struct cor_streams wanted = streams ? *streams : (struct cor_streams){-1, -1, -1, NULL};
	struct detach_keys keys;
	int r = detach_keys_parse(wanted.detach_keys, &keys);

	if (r < 0)
		return session_bad_keys(wanted.detach_keys, err);
	r = shim_claim_or_spawn(&ctx->roots, record, &client, err);

	if (r < 0) {
		clean_up(ctx, NULL, record);
		return r;
	}
	if (!record->interactive)
		wanted.in = -1;
	r = session_new(client, &wanted, &session, err);
	if (r < 0) {
		clean_up(ctx, NULL, record);
		return r;
	}
	/* Both at once: the shim connects the streams before it lets the process go. */
	trace_begin(&session->trace, ctx->opened_ns, &ctx->timings);
	r = session_attach(session, true, err);
	r = r ?: ask_start(client, record, wanted.trace, &started, err);
	if (r < 0) {
		clean_up(ctx, client, record);
		cor_session_free(session);
		return r;
	}
	/* Unless the process has ended meanwhile, which told more. */
	if (!session->has_exit)
		trace_take(&session->trace, started->timings, started->n_timings);
	trace_note(&session->trace, "started");
	protobuf_c_message_free_unpacked(&started->base, NULL);
	*ret = session;
	return 0;
}

int cor_container_start(struct cor_context *ctx, const char *ref, const struct cor_streams *streams,
			struct cor_session **ret_session, struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	int r = check_startable(ctx, ref, &record, err);

	if (r < 0)
		return r;
	r = ret_session ? start_attached(ctx, &record, streams, ret_session, err)
			: start_detached(ctx, &record, err);
	return r < 0 ? cor_context(err, r, "start '%s'", record.name) : 0;
}

/* Says what is wrong of the container as it was called. */
static int reach(struct cor_context *ctx, const char *ref, const char *id, struct shim_client **ret,
		 struct cor_error *err)
{
	int r = shim_connect(&ctx->roots, id, ret, err);

	if (r == -ENOTCONN)
		return cor_fail(err, COR_BUSY, ENOTCONN,
				"container '%s' is not running: `coracle start %s` starts it", ref, ref);
	return r;
}

int cor_container_attach(struct cor_context *ctx, const char *ref, const struct cor_streams *streams,
			 struct cor_session **ret_session, struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	struct cor_streams wanted = *streams;
	struct shim_client *client;
	struct cor_session *session;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	r = r ?: container_record_read(&ctx->roots, id, &record, err);
	r = r ?: reach(ctx, ref, id, &client, err);
	if (r < 0)
		return r;
	if (!record.interactive)
		wanted.in = -1;
	r = session_new(client, &wanted, &session, err);
	if (r < 0)
		return r;
	r = session_attach(session, false, err);
	r = r ?: session_await_attached(session, err);
	if (r < 0) {
		cor_session_free(session);
		return cor_context(err, r, "attach to '%s'", record.name);
	}
	*ret_session = session;
	return 0;
}

int cor_container_exec(struct cor_context *ctx, const char *ref, const struct cor_process_options *process,
		       const struct cor_streams *streams, struct cor_session **ret_session,
		       struct cor_error *err)
{
	_json_ json_t *config = NULL, *object = NULL;
	_free_ char *text = NULL;
	struct shim_client *client;
	struct cor_session *session;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	r = r ?: container_config_read(&ctx->roots, id, &config, err);
	r = r ?: exec_process_build(process, config, &object, err);
	r = r ?: reach(ctx, ref, id, &client, err);
	if (r < 0)
		return r;
	r = session_new(client, ret_session ? streams : NULL, &session, err);
	if (r < 0)
		return r;
	text = json_dumps(object, JSON_COMPACT);
	r = session_exec(session, process, text, !ret_session, err);
	r = r ?: session_await_attached(session, err);
	if (r < 0 || !ret_session)
		cor_session_free(session);
	else
		*ret_session = session;
	return r < 0 ? cor_context(err, r, "exec in '%s'", ref) : 0;
}
