/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that go (OCI distribution specification, "Pushing blobs").
 *
 *   LOOK --- is there --> end (EXISTS)
 *    | is not
 *    v
 *  BEGIN --- mounted ---> end (MOUNTED)
 *    | an address for the upload
 *    v                                broken
 *   SEND (large ones, in pieces) <-------------> ASK how far it came
 *    | all is there
 *    v
 *  CLOSE (with the content of small ones) --> end;   broken or forgotten: LOOK again
 */
#include "registry/client.h"
#include "registry/failure.h"
#include "registry/retry.h"

#include <errno.h>

enum step { STEP_LOOK, STEP_BEGIN, STEP_SEND, STEP_ASK, STEP_CLOSE };

struct upload {
	struct job job;
	struct registry_upload u;
	struct exchange *exchange;
	struct timer timer;
	struct retry retry;
	enum step step;
	bool running;        /* as the caller was told */
	bool mount;          /* to be tried */
	char *mount_scope;   /* with the right to read there */
	struct url location; /* where the registry wants it */
	uint64_t done;       /* that the registry has */
	uint64_t most;       /* that it ever had: what is sent once more is no progress */
	uint64_t part;       /* on the way */
};

static void take_step(void *userdata);

static void upload_free(struct job *job)
{
	struct upload *upload = container_of(job, struct upload, job);

	exchange_cancel(upload->exchange);
	engine_clear_timer(&job->registry->engine, &upload->timer);
	url_release(&upload->location);
	free(upload->mount_scope);
	free(upload);
}

static void finish(struct upload *upload, const struct cor_error *status)
{
	struct registry_upload u = upload->u;
	struct cor_error reason = *status;

	if (reason.status != COR_OK)
		cor_context(&reason, 0, "blob %.19s", u.digest);
	registry_remove_job(&upload->job);
	upload_free(&upload->job);
	u.on_end(u.userdata, &reason);
}

static void tell(const struct upload *upload, enum cor_transfer_state state)
{
	if (upload->u.on_state)
		upload->u.on_state(upload->u.userdata, state);
}

static void tell_progress(const struct upload *upload, uint64_t done)
{
	if (upload->u.on_progress)
		upload->u.on_progress(upload->u.userdata, done);
}

static void part_sent(void *userdata, uint64_t sent)
{
	const struct upload *upload = userdata;

	tell_progress(upload, upload->done + sent);
}

/* ---- what comes next ---- */

static void go_on(struct upload *upload, enum step step)
{
	upload->step = step;
	take_step(upload);
}

static void succeed(struct upload *upload, enum cor_transfer_state state)
{
	if (state == COR_TRANSFER_RUNNING)
		tell_progress(upload, upload->u.size);
	else
		tell(upload, state);
	finish(upload, &(struct cor_error){0});
}

/* Later, at another step; or never. */
static void again(struct upload *upload, enum step step, struct exchange_result *result)
{
	struct engine *engine = &upload->job.registry->engine;
	int delay = retry_delay(&upload->retry, &engine->limits, result);

	if (delay < 0) {
		finish(upload, result->error);
		return;
	}
	tell(upload, COR_TRANSFER_RETRYING);
	upload->running = false;
	upload->step = step;
	engine_set_timer(engine, &upload->timer, (unsigned)delay, take_step, upload);
}

/* What the registry says makes no sense here; it may have lost its mind for a moment only. */
static void puzzled(struct upload *upload, enum step step, struct exchange_result *result)
{
	result->outcome = OUTCOME_BROKEN;
	again(upload, step, result);
}

static int take_location(struct upload *upload, const struct exchange_result *result, bool needed)
{
	struct url next = {0};
	int r;

	if (!result->answer->location && !needed)
		return 0;
	if (!result->answer->location)
		return cor_fail(result->error, COR_CORRUPT, EBADMSG,
				"the registry does not say where to send it");
	r = url_resolve(result->url, result->answer->location, &next, result->error);
	if (r == 0)
		r = url_may_follow(result->url, &next, result->error);
	if (r < 0) {
		url_release(&next);
		return cor_context(result->error, r, "where the registry wants it");
	}
	url_release(&upload->location);
	upload->location = next;
	return 0;
}

/* How much of it the registry has; at most limit. Without a word from it: all that was sent. */
static int take_range(struct upload *upload, const struct exchange_result *result, uint64_t limit)
{
	int64_t next = (int64_t)limit;

	if ((result->answer->range && upload_range_parse(result->answer->range, &next) < 0) ||
	    (uint64_t)next > limit)
		return cor_fail(result->error, COR_CORRUPT, EBADMSG,
				"the registry claims to have another part of it than was sent");
	upload->done = (uint64_t)next;
	return 0;
}

static void send_or_close(struct upload *upload)
{
	tell_progress(upload, upload->done);
	go_on(upload, upload->done < upload->u.size ? STEP_SEND : STEP_CLOSE);
}

/* ---- answers ---- */

static void looked(struct upload *upload, struct exchange_result *result)
{
	if (result->outcome == OUTCOME_ANSWERED)
		succeed(upload, COR_TRANSFER_EXISTS);
	else if (result->answer && result->answer->status == 404)
		go_on(upload, STEP_BEGIN);
	else
		again(upload, STEP_LOOK, result);
}

static void begun(struct upload *upload, struct exchange_result *result)
{
	bool mount = upload->mount;

	if (result->outcome == OUTCOME_FAILED && mount) {
		upload->mount = false; /* it may not be asked for, or is not known */
		go_on(upload, STEP_BEGIN);
		return;
	}
	if (result->outcome != OUTCOME_ANSWERED) {
		again(upload, STEP_BEGIN, result);
		return;
	}
	if (mount && result->answer->status == 201) {
		succeed(upload, COR_TRANSFER_MOUNTED);
		return;
	}
	upload->mount = false;
	upload->done = 0;
	if (take_location(upload, result, true) < 0)
		finish(upload, result->error);
	else if (upload->u.size <= upload->job.registry->engine.limits.chunk)
		go_on(upload, STEP_CLOSE);
	else
		send_or_close(upload);
}

static void part_arrived(struct upload *upload, struct exchange_result *result)
{
	uint64_t before = upload->done;
	int status = result->answer ? result->answer->status : 0;

	if (result->outcome != OUTCOME_ANSWERED) {
		if (status == 416)
			puzzled(upload, STEP_ASK, result);
		else if (status == 404)
			puzzled(upload, STEP_LOOK, result);
		else
			again(upload, STEP_ASK, result);
		return;
	}
	if (take_location(upload, result, false) < 0 ||
	    take_range(upload, result, upload->done + upload->part) < 0) {
		finish(upload, result->error);
		return;
	}
	if (upload->done <= before) {
		cor_fail(result->error, COR_UNAVAILABLE, EPROTO,
			 "the registry keeps nothing of what is sent");
		puzzled(upload, STEP_ASK, result);
		return;
	}
	if (upload->done > upload->most) {
		retry_progress(&upload->retry, upload->done - upload->most);
		upload->most = upload->done;
	}
	send_or_close(upload);
}

static void asked(struct upload *upload, struct exchange_result *result)
{
	if (result->answer && result->answer->status == 404) {
		puzzled(upload, STEP_LOOK, result);
	} else if (result->outcome != OUTCOME_ANSWERED) {
		again(upload, STEP_ASK, result);
	} else if (!result->answer->range) {
		/* Without knowing how far it came, there is only the beginning. */
		cor_fail(result->error, COR_UNAVAILABLE, EPROTO, "the registry does not say how far it came");
		puzzled(upload, STEP_LOOK, result);
	} else if (take_location(upload, result, false) < 0 ||
		   take_range(upload, result, upload->u.size) < 0) {
		finish(upload, result->error);
	} else {
		send_or_close(upload);
	}
}

static void closed(struct upload *upload, struct exchange_result *result)
{
	if (result->outcome == OUTCOME_ANSWERED)
		succeed(upload, COR_TRANSFER_RUNNING);
	else if (result->answer && result->answer->status == 404)
		puzzled(upload, STEP_LOOK, result);
	else
		again(upload, STEP_LOOK, result);
}

static void ended(void *userdata, const struct exchange_result *result)
{
	static void (*const handlers[])(struct upload *, struct exchange_result *) = {
		[STEP_LOOK] = looked, [STEP_BEGIN] = begun,  [STEP_SEND] = part_arrived,
		[STEP_ASK] = asked,   [STEP_CLOSE] = closed,
	};
	struct upload *upload = userdata;
	struct exchange_result mine = *result;
	struct cor_error error = *result->error;

	mine.error = &error;
	upload->exchange = NULL;
	handlers[upload->step](upload, &mine);
}

/* ---- questions ---- */

static void fill_begin(struct upload *upload, struct exchange_request *request, char **target)
{
	const char *path = upload->job.registry->ref.path;
	struct url query = {0};

	request->method = "POST";
	if (!upload->mount) {
		*target = str_format("%s/blobs/uploads/", path);
		return;
	}
	query.target = str_format("%s/blobs/uploads/", path);
	url_add_query(&query, "mount", upload->u.digest);
	url_add_query(&query, "from", upload->u.from);
	*target = query.target;
	request->scope = upload->mount_scope;
}

static void fill_part(struct upload *upload, struct exchange_request *request, struct strv *headers)
{
	uint64_t chunk = upload->job.registry->engine.limits.chunk;

	upload->part = MIN(upload->u.size - upload->done, chunk);
	request->method = "PATCH";
	request->url = &upload->location;
	request->body_offset = upload->done;
	request->body_size = upload->part;
	request->fd = upload->u.fd;
	request->settles = true;
	strv_addf(headers, "Content-Range: %llu-%llu", (unsigned long long)upload->done,
		  (unsigned long long)(upload->done + upload->part - 1));
	strv_add(headers, "Content-Type: application/octet-stream");
}

static void fill_close(struct upload *upload, struct exchange_request *request, struct strv *headers,
		       struct url *url)
{
	url_copy(&upload->location, url);
	url_add_query(url, "digest", upload->u.digest);
	request->method = "PUT";
	request->url = url;
	request->body_offset = upload->done;
	request->body_size = upload->u.size - upload->done;
	request->fd = request->body_size ? upload->u.fd : -1;
	request->settles = true;
	strv_add(headers, "Content-Type: application/octet-stream");
}

static void take_step(void *userdata)
{
	struct upload *upload = userdata;
	struct registry *registry = upload->job.registry;
	_strv_ struct strv headers = {0};
	_free_ char *target = NULL;
	_url_ struct url url = {0};
	struct exchange_request request = {
		.place = &registry->places[registry->hosts.count - 1],
		.scope = registry->scope,
		.headers = &headers,
		.missing = "it has no such repository, or has forgotten this upload",
		.collect_max = FAILURE_BODY_MAX,
		.fd = -1,
		.on_sent = part_sent,
		.on_end = ended,
		.userdata = upload,
	};

	switch (upload->step) {
	case STEP_LOOK:
		request.method = "HEAD";
		request.small = true;
		target = str_format("%s/blobs/%s", registry->ref.path, upload->u.digest);
		break;
	case STEP_BEGIN:
		request.small = true;
		fill_begin(upload, &request, &target);
		break;
	case STEP_SEND:
		fill_part(upload, &request, &headers);
		break;
	case STEP_ASK:
		request.method = "GET";
		request.small = true;
		request.url = &upload->location;
		break;
	case STEP_CLOSE:
		fill_close(upload, &request, &headers, &url);
		break;
	}
	request.target = target;
	if (request.body_size == 0)
		request.on_sent = NULL;
	else if (!upload->running)
		tell(upload, COR_TRANSFER_RUNNING);
	upload->running = upload->running || request.body_size > 0;
	upload->exchange = exchange_start(&request);
}

static void upload_start(struct job *job)
{
	take_step(container_of(job, struct upload, job));
}

void registry_upload(struct registry *registry, const struct registry_upload *u)
{
	struct upload *upload = xcalloc(1, sizeof(*upload));

	upload->u = *u;
	upload->mount = u->from && !str_equal(u->from, registry->ref.path);
	if (upload->mount)
		upload->mount_scope = str_format("%s repository:%s:pull", registry->scope, u->from);
	upload->job = (struct job){.start = upload_start, .free = upload_free};
	registry_add_job(registry, &upload->job);
}
