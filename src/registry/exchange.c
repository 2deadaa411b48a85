/* SPDX-License-Identifier: Apache-2.0 */
/*            +-- token wanted --> [auth] --+
 *            |                             v
 *  start --> prepare ------------------> send --> head --+-- 2xx ------> deliver --> end
 *            ^                             ^             +-- 3xx ------> skip the body, next address
 *            +------- 401, at home --------|-------------+               (no Authorization away from home)
 *                                          +-- no TLS ---+-- others ---> collect what is wrong --> end
 *
 * "Home" is the registry's own origin. Only there are challenges answered and tokens shown. */
#include "registry/exchange.h"

#include "registry/failure.h"

#include <errno.h>
#include <time.h>

#define SKIP_MAX (256u << 10) /* of a body that nobody wants, so that the connection can be used again */

enum mode { MODE_DELIVER, MODE_SKIP, MODE_EXPLAIN };

struct exchange {
	struct exchange_request request;
	struct strv headers;
	struct url url;
	bool home;
	bool shown; /* an Authorization header was sent */
	bool challenged; /* once is enough: what was fetched for this very question is not taken, so another would not be */
	unsigned redirects;
	struct transfer *transfer;
	struct auth_waiter waiter;
	struct timer later; /* for ends that must not come from exchange_start */
	enum mode mode;
	bool cut; /* the transfer was ended by us because we have heard enough */
	size_t skipped;
	struct buffer body;
	struct cor_error error;
};

static void send_request(struct exchange *ex);
static void prepare(struct exchange *ex);

void exchange_cancel(struct exchange *ex)
{
	if (!ex)
		return;
	transfer_cancel(ex->transfer);
	auth_forget(&ex->waiter);
	engine_clear_timer(ex->request.place->engine, &ex->later);
	strv_release(&ex->headers);
	url_release(&ex->url);
	buffer_release(&ex->body);
	free(ex);
}

static void finish(struct exchange *ex, enum outcome outcome, const struct answer *answer, unsigned wait_ms)
{
	struct exchange_result result = {
		.outcome = outcome,
		.answer = answer,
		.url = &ex->url,
		.body = &ex->body,
		.wait_ms = wait_ms,
		.error = &ex->error,
	};

	ex->request.on_end(ex->request.userdata, &result);
	exchange_cancel(ex);
}

static void end_later(void *userdata)
{
	finish(userdata, OUTCOME_FAILED, NULL, 0);
}

/* ---- where to ---- */

static bool is_redirect(const struct exchange *ex, int status)
{
	bool reading = str_equal(ex->request.method, "GET") || str_equal(ex->request.method, "HEAD");

	return status == 307 || status == 308 ||
	       (reading && (status == 301 || status == 302 || status == 303));
}

static int follow(struct exchange *ex, const struct answer *answer)
{
	_url_ struct url next = {0};
	_free_ char *from = url_place(&ex->url);
	int r;

	if (++ex->redirects > REDIRECTS_MAX)
		return cor_fail(&ex->error, COR_CORRUPT, ELOOP, "%s: more than %d redirects", from,
				REDIRECTS_MAX);
	if (!answer->location)
		return cor_fail(&ex->error, COR_CORRUPT, EBADMSG, "%s: a redirect to nowhere", from);
	r = url_resolve(&ex->url, answer->location, &next, &ex->error);
	if (r == 0)
		r = url_may_follow(&ex->url, &next, &ex->error);
	if (r < 0)
		return cor_context(&ex->error, r, "%s: a redirect", from);
	url_release(&ex->url);
	ex->url = next;
	next = (struct url){0};
	ex->home = url_same_origin(&ex->url, &ex->request.place->root);
	return 0;
}

/* ---- an answer ---- */

static int head_arrived(void *userdata, const struct answer *answer, struct cor_error *err)
{
	struct exchange *ex = userdata;

	if (ex->home)
		place_reached(ex->request.place, ex->url.https);
	ex->skipped = 0;
	buffer_clear(&ex->body);
	if (answer->status / 100 == 2) {
		ex->mode = MODE_DELIVER;
		if (ex->request.on_head)
			return ex->request.on_head(ex->request.userdata, answer, err);
		return 0;
	}
	ex->mode = is_redirect(ex, answer->status) ? MODE_SKIP : MODE_EXPLAIN;
	return 0;
}

static int data_arrived(void *userdata, const void *data, size_t size, struct cor_error *err)
{
	struct exchange *ex = userdata;
	size_t room;

	if (ex->mode == MODE_DELIVER && ex->request.on_data)
		return ex->request.on_data(ex->request.userdata, data, size, err);
	if (ex->mode == MODE_DELIVER) {
		if (ex->request.collect_max < buffer_size(&ex->body) + size)
			return cor_fail(err, COR_CORRUPT, EFBIG, "an answer of more than %zu bytes",
					ex->request.collect_max);
		buffer_append(&ex->body, data, size);
		return 0;
	}
	room = FAILURE_BODY_MAX - buffer_size(&ex->body);
	if (ex->mode == MODE_EXPLAIN)
		buffer_append(&ex->body, data, MIN(size, room));
	ex->skipped += size;
	ex->cut = ex->skipped > SKIP_MAX;
	return ex->cut ? -EFBIG : 0;
}

static bool may_pass(int status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
	       status == 504;
}

static void refuse(struct exchange *ex, const struct answer *answer)
{
	const struct place *place = ex->request.place;
	const void *body = buffer_size(&ex->body) ? buffer_bytes(&ex->body) : (const void *)"";
	const char *user = ex->home && ex->shown ? auth_user(place) : NULL;
	_free_ char *away = url_place(&ex->url);
	int64_t wait = answer->retry_after ? retry_after_parse(answer->retry_after, time(NULL)) : 0;
	enum outcome outcome = may_pass(answer->status) ? OUTCOME_BROKEN : OUTCOME_FAILED;

	failure_of_answer(answer, body, buffer_size(&ex->body), ex->home ? place->host->domain : away, user,
			  ex->request.missing, &ex->error);
	if (wait < 0)
		wait = 0;
	if (wait > place->engine->limits.backoff_max_ms)
		outcome = OUTCOME_FAILED; /* nobody wants to watch that */
	finish(ex, outcome, answer, outcome == OUTCOME_BROKEN ? (unsigned)wait : 0);
}

static void token_arrived(void *userdata, enum outcome outcome, const struct cor_error *reason)
{
	struct exchange *ex = userdata;

	if (outcome == OUTCOME_ANSWERED) {
		send_request(ex);
		return;
	}
	ex->error = *reason;
	finish(ex, outcome, NULL, 0);
}

static void challenged(struct exchange *ex, const struct answer *answer)
{
	int r = AUTH_NOTHING;

	if (ex->home && answer->challenges.count > 0 && !ex->challenged) {
		ex->challenged = true;
		r = auth_challenged(ex->request.place, ex->request.scope, answer, ex->shown, &ex->waiter,
				    &ex->error);
	}
	if (r == AUTH_READY)
		send_request(ex);
	else if (r == AUTH_NOTHING)
		refuse(ex, answer);
	else if (r < 0)
		finish(ex, OUTCOME_FAILED, answer, 0);
}

static void answered(struct exchange *ex, const struct answer *answer)
{
	if (answer->status / 100 == 2) {
		finish(ex, OUTCOME_ANSWERED, answer, 0);
	} else if (is_redirect(ex, answer->status)) {
		if (follow(ex, answer) < 0)
			finish(ex, OUTCOME_FAILED, answer, 0);
		else
			send_request(ex);
	} else if (answer->status == 401) {
		challenged(ex, answer);
	} else {
		refuse(ex, answer);
	}
}

/* ---- a request ---- */

/* Several may find out at the same time that there is no TLS. */
static bool try_http(struct exchange *ex)
{
	struct place *place = ex->request.place;

	if (!ex->home || place->host->scheme != HOST_HTTPS_OR_HTTP || !ex->url.https)
		return false;
	if (place->maybe_http)
		place_use_http(place);
	if (place->root.https)
		return false;
	ex->url.https = false;
	ex->url.port = place->root.port;
	prepare(ex);
	return true;
}

static void body_sent(void *userdata, uint64_t sent)
{
	struct exchange *ex = userdata;

	if (ex->request.on_sent)
		ex->request.on_sent(ex->request.userdata, sent);
}

static void ended(void *userdata, enum outcome outcome, const struct answer *answer,
		  const struct cor_error *reason)
{
	struct exchange *ex = userdata;
	struct place *place = ex->request.place;

	ex->transfer = NULL;
	if (outcome == OUTCOME_ANSWERED || ex->cut) {
		ex->cut = false;
		answered(ex, answer);
		return;
	}
	if (outcome == OUTCOME_NOT_TLS && try_http(ex))
		return;
	ex->error = *reason;
	if (outcome == OUTCOME_NOT_TLS)
		outcome = OUTCOME_BROKEN;
	/* One that never was there is not waited for: most likely its name is wrong. */
	if (outcome == OUTCOME_UNREACHABLE)
		outcome = place->reached ? OUTCOME_BROKEN : OUTCOME_FAILED;
	finish(ex, outcome, answer->whole ? answer : NULL, 0);
}

static void send_request(struct exchange *ex)
{
	const struct place *place = ex->request.place;
	const struct limits *limits = &place->engine->limits;
	char *authorization = ex->home ? auth_line(place, ex->request.scope) : NULL;
	_strv_ struct strv headers = {0};
	struct transfer_request request = {
		.method = ex->request.method,
		.url = &ex->url,
		.headers = &headers,
		.tls = place_tls(place, &ex->url),
		.body = ex->request.body,
		.fd = ex->request.fd,
		.body_offset = ex->request.body_offset,
		.body_size = ex->request.body_size,
		.connect_ms = place->maybe_http && ex->home ? limits->probe_ms : limits->connect_ms,
		.stall_s = ex->request.settles ? limits->settle_s : limits->stall_s,
		.total_ms = ex->request.small ? limits->small_ms : 0,
		.on_head = head_arrived,
		.on_data = data_arrived,
		.on_sent = body_sent,
		.on_end = ended,
		.userdata = ex,
	};

	strv_add_all(&headers, &ex->headers);
	ex->shown = authorization;
	if (authorization)
		strv_take(&headers, authorization);
	ex->transfer = transfer_start(place->engine, &request);
	if (authorization)
		explicit_bzero(authorization, strlen(authorization));
}

static void prepare(struct exchange *ex)
{
	int r = ex->home ? auth_prepare(ex->request.place, ex->request.scope, &ex->waiter, &ex->error)
			 : AUTH_READY;

	if (r == AUTH_READY)
		send_request(ex);
	else if (r < 0)
		engine_set_timer(ex->request.place->engine, &ex->later, 0, end_later, ex);
}

struct exchange *exchange_start(const struct exchange_request *request)
{
	struct exchange *ex = xcalloc(1, sizeof(*ex));

	*ex = (struct exchange){.request = *request};
	ex->waiter = (struct auth_waiter){.ready = token_arrived, .userdata = ex};
	if (request->headers)
		strv_add_all(&ex->headers, request->headers);
	if (request->url)
		url_copy(request->url, &ex->url);
	else
		place_url(request->place, request->target, &ex->url);
	ex->home = url_same_origin(&ex->url, &request->place->root);
	ex->request.target = NULL;
	prepare(ex);
	return ex;
}
