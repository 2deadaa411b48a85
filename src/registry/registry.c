/* SPDX-License-Identifier: Apache-2.0 */
/* A registry object: its places, its jobs, and the loop that runs them. */
#include "registry/client.h"

#include "registry/retry.h"

#include <errno.h>

#define CONCURRENT 3
#define CANCEL_MS  100 /* how soon a call that blocks sees that it is not wanted any more */

static int make_places(struct registry *registry, struct credentials *credentials, struct cor_error *err)
{
	size_t count = registry->hosts.count;
	int r;

	registry->places = xcalloc(count, sizeof(*registry->places));
	for (size_t i = 0; i < count; i++) {
		r = place_init(&registry->places[i], &registry->engine, &registry->hosts.items[i],
			       registry->config_dir, i + 1 == count ? credentials : NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void copy_reference(const struct reference *ref, struct reference *ret)
{
	*ret = (struct reference){
		.domain = xstrdup(ref->domain),
		.path = xstrdup(ref->path),
		.tag = xstrdup(ref->tag),
		.digest = xstrdup(ref->digest),
	};
}

/* Only what is pulled may come from elsewhere. */
static void drop_mirrors(struct hosts *hosts)
{
	struct hosts mirrors = {hosts->items, hosts->count - 1};
	struct host last = hosts->items[mirrors.count];

	hosts_release(&mirrors);
	hosts->items = xcalloc(1, sizeof(*hosts->items));
	hosts->items[0] = last;
	hosts->count = 1;
}

int registry_open_with(const struct reference *ref, const char *domain, enum registry_access access,
		       const struct cor_registry_options *options, const struct limits *limits,
		       struct credentials *credentials, struct registry **ret, struct cor_error *err)
{
	static const struct cor_registry_options defaults;
	struct registry *registry = xcalloc(1, sizeof(*registry));
	int r;

	options = options ? options : &defaults;
	registry->concurrent = options->concurrent ? options->concurrent : CONCURRENT;
	registry->progress = options->progress;
	registry->userdata = options->userdata;
	registry->config_dir = xstrdup(options->config_dir);
	if (ref)
		copy_reference(ref, &registry->ref);
	registry->scope = ref ? str_format("repository:%s:%s", ref->path,
					   access == REGISTRY_PUSH ? "pull,push" : "pull")
			      : xstrdup("");
	r = hosts_find(options->config_dir, domain, options->scheme, &registry->hosts, err);
	if (r == 0 && access == REGISTRY_PUSH)
		drop_mirrors(&registry->hosts);
	if (r == 0)
		r = engine_init(&registry->engine, limits, err);
	if (r == 0)
		r = make_places(registry, credentials, err);
	if (r < 0) {
		registry_free(registry);
		return r;
	}
	*ret = registry;
	return 0;
}

int registry_open(const struct reference *ref, enum registry_access access,
		  const struct cor_registry_options *options, struct registry **ret, struct cor_error *err)
{
	return registry_open_with(ref, ref->domain, access, options, &limits_default, NULL, ret, err);
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	while (registry->jobs) {
		struct job *job = registry->jobs;

		registry_remove_job(job);
		job->free(job);
	}
	for (size_t i = 0; registry->places && i < registry->hosts.count; i++)
		place_release(&registry->places[i]);
	free(registry->places);
	engine_release(&registry->engine);
	hosts_release(&registry->hosts);
	reference_release(&registry->ref);
	free(registry->config_dir);
	free(registry->scope);
	free(registry);
}

void registry_add_job(struct registry *registry, struct job *job)
{
	struct job **end = &registry->jobs;

	while (*end)
		end = &(*end)->next;
	job->registry = registry;
	job->next = NULL;
	*end = job;
	registry->job_count++;
}

void registry_remove_job(struct job *job)
{
	struct registry *registry = job->registry;
	struct job **p = &registry->jobs;

	while (*p != job)
		p = &(*p)->next;
	*p = job->next;
	registry->job_count--;
	if (job->started)
		registry->started_count--;
}

/* A job may end, and others be added, while one starts. */
static void start_jobs(struct registry *registry)
{
	struct job *job = registry->jobs;

	while (job && registry->started_count < registry->concurrent) {
		if (job->started) {
			job = job->next;
			continue;
		}
		job->started = true;
		registry->started_count++;
		job->start(job);
		job = registry->jobs;
	}
}

int registry_run(struct registry *registry, int timeout_ms, size_t *ret_running, struct cor_error *err)
{
	int r = 0;

	start_jobs(registry);
	if (registry->job_count > 0)
		r = engine_run(&registry->engine, timeout_ms, err);
	*ret_running = registry->job_count;
	return r;
}

/* ---- calls that block ---- */

void call_release(struct call *call)
{
	free(call->content_type);
	buffer_release(&call->body);
}

static void call_ended(void *userdata, const struct exchange_result *result)
{
	struct call *call = userdata;

	call->done = true;
	call->outcome = result->outcome;
	call->status = result->answer ? result->answer->status : 0;
	call->error = *result->error;
	if (result->answer)
		str_set(&call->content_type, result->answer->content_type);
	if (result->outcome == OUTCOME_ANSWERED) {
		buffer_release(&call->body);
		call->body = *result->body;
		*result->body = (struct buffer){0};
	}
}

struct attempt {
	struct call *call;
	struct retry retry;
	const struct limits *limits;
	int delay_ms;
};

static void attempt_ended(void *userdata, const struct exchange_result *result)
{
	struct attempt *attempt = userdata;

	attempt->delay_ms = retry_delay(&attempt->retry, attempt->limits, result);
	call_ended(attempt->call, result);
}

static void wake(void *userdata)
{
	*(bool *)userdata = true;
}

static int run_until(struct registry *registry, const bool *done, struct cor_error *err)
{
	int r = 0;

	while (r == 0 && !*done) {
		if (registry->progress && registry->progress(registry->userdata, NULL, 0) != 0)
			return cor_fail(err, COR_CANCELLED, ECANCELED, "cancelled");
		r = engine_run(&registry->engine, CANCEL_MS, err);
	}
	return r;
}

static int pause_for(struct registry *registry, unsigned ms, struct cor_error *err)
{
	struct timer timer = {0};
	bool over = false;
	int r;

	engine_set_timer(&registry->engine, &timer, ms, wake, &over);
	r = run_until(registry, &over, err);
	engine_clear_timer(&registry->engine, &timer);
	return r;
}

int registry_call(struct registry *registry, struct exchange_request *request, bool last_place,
		  struct call *call, struct cor_error *err)
{
	struct attempt attempt = {.call = call, .limits = &registry->engine.limits};
	struct exchange *exchange;
	int r;

	request->on_end = attempt_ended;
	request->userdata = &attempt;
	for (;;) {
		call->done = false;
		exchange = exchange_start(request);
		r = run_until(registry, &call->done, err);
		if (r < 0) {
			exchange_cancel(exchange);
			return r;
		}
		if (call->outcome == OUTCOME_ANSWERED)
			return 0;
		if (attempt.delay_ms < 0 || !last_place)
			break;
		r = pause_for(registry, (unsigned)attempt.delay_ms, err);
		if (r < 0)
			return r;
	}
	if (err)
		*err = call->error;
	return -(call->error.err ? call->error.err : EIO);
}
