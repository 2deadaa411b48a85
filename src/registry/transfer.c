/* SPDX-License-Identifier: Apache-2.0 */
/* One curl easy handle per transfer. libcurl does the connections, TLS, proxies and the framing of HTTP/1.1; all decisions are ours: it follows no redirect, knows no password
 * and keeps no cookie. HTTP/2 is not asked for: blobs come faster over a connection each than as streams of one. */
#include "registry/transfer.h"

#include "base/clock.h"
#include "registry/failure.h"

#include <errno.h>

#define BUFFER_SIZE (256L << 10)
#define NS_PER_MS   UINT64_C(1000000)

struct transfer {
	struct transfer *next;
	struct engine *engine;
	CURL *easy;
	struct curl_slist *lines;
	struct url url;
	struct transfer_request request;
	uint64_t sent;
	struct answer answer;
	bool failed; /* by us, for the reason in error */
	bool https;
	struct cor_error error;
	char detail[CURL_ERROR_SIZE];
};

const struct limits limits_default = {
	.connect_ms = 15000,
	.probe_ms = 3000,
	.stall_s = 30,
	.stall_rate = 256,
	.settle_s = 300,
	.small_ms = 60000,
	.attempts = 5,
	.backoff_ms = 500,
	.backoff_max_ms = 60000,
	.chunk = UINT64_C(64) << 20,
};

/* ---- libcurl's callbacks ---- */

static size_t header_arrived(char *line, size_t size, size_t count, void *userdata)
{
	struct transfer *t = userdata;
	bool whole = t->answer.whole;
	int r = answer_take_line(&t->answer, line, size * count, &t->error);

	if (r == 0 && t->answer.whole && !whole && t->answer.status >= 200 && t->request.on_head)
		r = t->request.on_head(t->request.userdata, &t->answer, &t->error);
	if (r < 0)
		t->failed = true;
	return r < 0 ? 0 : size * count;
}

static size_t data_arrived(char *data, size_t size, size_t count, void *userdata)
{
	struct transfer *t = userdata;

	if (t->request.on_data &&
	    t->request.on_data(t->request.userdata, data, size * count, &t->error) < 0) {
		t->failed = true;
		return 0;
	}
	return size * count;
}

static size_t read_body(struct transfer *t, char *out, size_t size)
{
	ssize_t n;

	size = MIN((uint64_t)size, t->request.body_size - t->sent);
	if (t->request.fd < 0) {
		memcpy(out, (const char *)t->request.body + t->sent, size);
		return size;
	}
	do {
		n = pread(t->request.fd, out, size, (off_t)(t->request.body_offset + t->sent));
	} while (n < 0 && errno == EINTR);
	if (n > 0 || size == 0)
		return (size_t)n;
	if (n < 0)
		cor_fail_errno(&t->error, errno, "cannot read what is to be sent");
	else
		cor_fail(&t->error, COR_CORRUPT, EBADMSG, "what is to be sent is shorter than it should be");
	t->failed = true;
	return CURL_READFUNC_ABORT;
}

static size_t data_wanted(char *out, size_t size, size_t count, void *userdata)
{
	struct transfer *t = userdata;
	size_t n = read_body(t, out, size * count);

	if (n == CURL_READFUNC_ABORT)
		return n;
	t->sent += n;
	if (t->request.on_sent)
		t->request.on_sent(t->request.userdata, t->sent);
	return n;
}

/* A kept connection that proves dead is replaced by libcurl, which then sends the body anew. */
static int body_rewound(void *userdata, curl_off_t offset, int origin)
{
	struct transfer *t = userdata;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->request.body_size)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- a transfer ---- */

static void set_method(struct transfer *t)
{
	const struct curl_calls *curl = &t->engine->curl;
	const char *method = t->request.method;

	if (str_equal(method, "HEAD")) {
		curl->easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
	} else if (!str_equal(method, "GET")) {
		curl->easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
		curl->easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
		curl->easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->request.body_size);
		curl->easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_SIZE);
		curl->easy_setopt(t->easy, CURLOPT_READFUNCTION, data_wanted);
		curl->easy_setopt(t->easy, CURLOPT_READDATA, t);
		curl->easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, body_rewound);
		curl->easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
	}
}

static void set_tls(struct transfer *t)
{
	const struct curl_calls *curl = &t->engine->curl;
	const struct tls *tls = &t->request.tls;
	struct curl_blob blob = {(void *)tls->ca, tls->ca_size, CURL_BLOB_NOCOPY};

	if (tls->ca)
		curl->easy_setopt(t->easy, CURLOPT_CAINFO_BLOB, &blob);
	if (!tls->verify) {
		curl->easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl->easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (tls->cert)
		curl->easy_setopt(t->easy, CURLOPT_SSLCERT, tls->cert);
	if (tls->key)
		curl->easy_setopt(t->easy, CURLOPT_SSLKEY, tls->key);
}

static void set_limits(struct transfer *t)
{
	const struct curl_calls *curl = &t->engine->curl;

	curl->easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl->easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl->easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl->easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl->easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L);
	curl->easy_setopt(t->easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	curl->easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl->easy_setopt(t->easy, CURLOPT_TCP_KEEPIDLE, 20L);
	curl->easy_setopt(t->easy, CURLOPT_TCP_KEEPINTVL, 10L);
	curl->easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, t->request.connect_ms);
	curl->easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, t->engine->limits.stall_rate);
	curl->easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, t->request.stall_s);
	curl->easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, t->request.total_ms);
	/* What is meant for the registry is not for a proxy, and what a proxy says is not the registry's answer. */
	curl->easy_setopt(t->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
	curl->easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (url_is_loopback(&t->url))
		curl->easy_setopt(t->easy, CURLOPT_PROXY, "");
}

static void set_headers(struct transfer *t, const struct strv *headers)
{
	const struct curl_calls *curl = &t->engine->curl;
	const char *line;

	/* libcurl would wait a second for a leave to send. */
	t->lines = curl->slist_append(NULL, "Expect:");
	strv_foreach (headers, i, line)
		t->lines = curl->slist_append(t->lines, line);
	curl->easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
	curl->easy_setopt(t->easy, CURLOPT_USERAGENT, "coracle/" CORACLE_VERSION);
}

struct transfer *transfer_start(struct engine *engine, const struct transfer_request *request)
{
	const struct curl_calls *curl = &engine->curl;
	struct transfer *t = xcalloc(1, sizeof(*t));
	_free_ char *text = url_text(request->url);

	*t = (struct transfer){.engine = engine, .request = *request, .https = request->url->https};
	t->answer.content_length = -1;
	url_copy(request->url, &t->url);
	t->easy = curl->easy_init();
	if (!t->easy)
		xmalloc(SIZE_MAX); /* as wherever memory is out: the process ends */
	curl->easy_setopt(t->easy, CURLOPT_URL, text);
	curl->easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl->easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->detail);
	curl->easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, header_arrived);
	curl->easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl->easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, data_arrived);
	curl->easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	set_method(t);
	set_limits(t);
	set_tls(t);
	set_headers(t, request->headers);
	t->request.url = &t->url;
	t->request.headers = NULL;
	t->next = engine->transfers;
	engine->transfers = t;
	curl->multi_add_handle(engine->multi, t->easy);
	return t;
}

void transfer_cancel(struct transfer *t)
{
	struct transfer **p;

	if (!t)
		return;
	for (p = &t->engine->transfers; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	t->engine->curl.multi_remove_handle(t->engine->multi, t->easy);
	t->engine->curl.easy_cleanup(t->easy);
	t->engine->curl.slist_free_all(t->lines);
	url_release(&t->url);
	answer_release(&t->answer);
	free(t);
}

/* libcurl's times of a connection stay 0 where its TLS failed; the port at our end does not. */
static bool connected(struct transfer *t)
{
	long port = 0;

	t->engine->curl.easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &port);
	return port > 0;
}

/* True where the connection stood and TLS did not begin: what is there speaks something else. */
static bool not_tls(struct transfer *t, CURLcode code)
{
	curl_off_t secured = 0;

	if (!t->https || !connected(t))
		return false;
	if (code != CURLE_SSL_CONNECT_ERROR && code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR &&
	    code != CURLE_GOT_NOTHING && code != CURLE_OPERATION_TIMEDOUT)
		return false;
	t->engine->curl.easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
	return secured == 0;
}

static bool unreachable(struct transfer *t, CURLcode code)
{
	return code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && !connected(t));
}

/* libcurl tells only in words that name whom it could not connect to. */
static bool through_proxy(const struct transfer *t)
{
	static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
						"ALL_PROXY"};
	_free_ char *host = xstrndup(t->url.host, strcspn(t->url.host, "]"));
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		any |= !str_empty(getenv(variables[i]));
	return any && *t->detail && !strstr(t->detail, *host == '[' ? host + 1 : host);
}

static void explain(struct transfer *t, CURLcode code, const char *detail)
{
	_free_ char *place = url_place(&t->url), *proxied = str_format("%.100s through the proxy", place);
	bool proxy = code == CURLE_COULDNT_CONNECT && through_proxy(t);
	long errnum = 0;

	t->engine->curl.easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &errnum);
	if (code == CURLE_COULDNT_CONNECT && errnum > 0 && !proxy)
		detail = strerror((int)errnum); /* libcurl's words repeat the address */
	failure_of_network(code, proxy ? proxied : place, detail, t->request.tls.config_dir, &t->error);
}

static enum outcome judge(struct transfer *t, CURLcode code)
{
	const char *detail = *t->detail ? t->detail : t->engine->curl.easy_strerror(code);

	if (t->failed)
		return OUTCOME_FAILED;
	if (code == CURLE_OK && t->answer.whole)
		return OUTCOME_ANSWERED;
	if (code == CURLE_OK) { /* libcurl does not mind a head that breaks off */
		code = CURLE_RECV_ERROR;
		detail = "the answer has no end of its head";
	}
	explain(t, code, detail);
	if (not_tls(t, code))
		return OUTCOME_NOT_TLS;
	if (unreachable(t, code))
		return OUTCOME_UNREACHABLE;
	return failure_may_pass(code) ? OUTCOME_BROKEN : OUTCOME_FAILED;
}

static void end(struct transfer *t, CURLcode code)
{
	enum outcome outcome = judge(t, code);
	struct transfer_request request = t->request;
	struct cor_error reason = t->error;
	_answer_ struct answer answer = t->answer;

	t->answer = (struct answer){.content_length = -1};
	transfer_cancel(t);
	request.on_end(request.userdata, outcome, &answer, &reason);
}

/* ---- the engine ---- */

int engine_init(struct engine *engine, const struct limits *limits, struct cor_error *err)
{
	int r;

	*engine = (struct engine){.limits = *limits};
	r = curl_load(&engine->curl, err);
	if (r < 0)
		return r;
	engine->multi = engine->curl.multi_init();
	return engine->multi ? 0 : cor_fail(err, COR_EXHAUSTED, ENOMEM, "libcurl: out of memory");
}

void engine_release(struct engine *engine)
{
	while (engine->transfers)
		transfer_cancel(engine->transfers);
	if (engine->multi)
		engine->curl.multi_cleanup(engine->multi);
	*engine = (struct engine){0};
}

void engine_set_timer(struct engine *engine, struct timer *timer, unsigned ms, void (*fired)(void *),
		      void *userdata)
{
	engine_clear_timer(engine, timer);
	*timer = (struct timer){engine->timers, clock_monotonic_ns() + ms * NS_PER_MS, fired, userdata};
	engine->timers = timer;
}

void engine_clear_timer(struct engine *engine, struct timer *timer)
{
	struct timer **p = &engine->timers;

	if (!timer->fired)
		return;
	while (*p != timer)
		p = &(*p)->next;
	*p = timer->next;
	*timer = (struct timer){0};
}

/* Each call may add and end transfers and timers, so the lists are looked at anew after it. */
static bool end_transfers(struct engine *engine)
{
	struct transfer *t;
	bool any = false;
	CURLMsg *message;
	CURLcode code;
	int left;

	while ((message = engine->curl.multi_info_read(engine->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		code = message->data.result;
		engine->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		end(t, code);
		any = true;
	}
	return any;
}

static bool fire_timers(struct engine *engine)
{
	uint64_t now = clock_monotonic_ns();
	bool any = false;
	struct timer *timer, due;

	for (timer = engine->timers; timer;) {
		if (timer->due_ns > now) {
			timer = timer->next;
			continue;
		}
		due = *timer;
		engine_clear_timer(engine, timer);
		due.fired(due.userdata);
		any = true;
		timer = engine->timers;
	}
	return any;
}

static int time_to_wait(const struct engine *engine, int timeout_ms)
{
	uint64_t now = clock_monotonic_ns(), ms;

	for (const struct timer *timer = engine->timers; timer; timer = timer->next) {
		ms = timer->due_ns > now ? (timer->due_ns - now) / NS_PER_MS + 1 : 0;
		timeout_ms = (int)MIN(ms, (uint64_t)timeout_ms);
	}
	return timeout_ms;
}

int engine_run(struct engine *engine, int timeout_ms, struct cor_error *err)
{
	CURLMcode code = CURLM_OK;
	bool happened;
	int running;

	for (int round = 0; round < 2; round++) {
		code = engine->curl.multi_perform(engine->multi, &running);
		if (code != CURLM_OK)
			break;
		happened = end_transfers(engine);
		if (fire_timers(engine) || happened)
			return 0;
		if (round == 0)
			code = engine->curl.multi_poll(engine->multi, NULL, 0,
						       time_to_wait(engine, timeout_ms), NULL);
		if (code != CURLM_OK)
			break;
	}
	return code == CURLM_OK
		       ? 0
		       : cor_fail(err, COR_INTERNAL, EIO, "libcurl: %s", engine->curl.multi_strerror(code));
}
