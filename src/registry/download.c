/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that come. Each attempt asks for what is still missing, of the place that it last failed at or of the next one; what has reached the caller never comes to him again. */
#include "registry/client.h"
#include "registry/retry.h"

#include <errno.h>

#define MISSING "it does not have this blob"

struct download {
	struct job job;
	struct registry_download d;
	struct exchange *exchange;
	struct timer timer;
	struct retry retry;
	size_t place;
	uint64_t got;  /* that the caller has: the offset to go on from */
	uint64_t skip; /* bytes of this answer that the caller has already */
	bool ours;     /* the caller failed: no other place or attempt helps */
};

static void attempt(void *userdata);

static void download_free(struct job *job)
{
	struct download *download = container_of(job, struct download, job);

	exchange_cancel(download->exchange);
	engine_clear_timer(&job->registry->engine, &download->timer);
	free(download);
}

static void finish(struct download *download, const struct cor_error *status)
{
	struct registry_download d = download->d;
	struct cor_error reason = *status;

	download->exchange = NULL;
	registry_remove_job(&download->job);
	download_free(&download->job);
	d.on_end(d.userdata, &reason);
}

static void tell(const struct download *download, enum cor_transfer_state state)
{
	if (download->d.on_state)
		download->d.on_state(download->d.userdata, state);
}

static int check_size(const struct download *download, int64_t size, uint64_t expected, struct cor_error *err)
{
	if (size >= 0 && (uint64_t)size != expected)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the registry has %lld bytes of it, where the manifest promises %llu",
				(long long)(download->d.size - expected) + size,
				(unsigned long long)download->d.size);
	return 0;
}

static int part_arrived(struct download *download, const struct answer *answer, struct cor_error *err)
{
	int64_t first, last, total;

	if (download->got == 0 || !answer->content_range ||
	    content_range_parse(answer->content_range, &first, &last, &total) < 0 ||
	    (uint64_t)first != download->got)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the registry sends another part of it than was asked for");
	if (total >= 0 && (uint64_t)total != download->d.size)
		return check_size(download, total - first, download->d.size - download->got, err);
	return check_size(download, last - first + 1, download->d.size - download->got, err);
}

static int head_arrived(void *userdata, const struct answer *answer, struct cor_error *err)
{
	struct download *download = userdata;
	int r = 0;

	if (answer->status == 206) {
		download->skip = 0;
		r = part_arrived(download, answer, err);
		if (r == 0)
			r = check_size(download, answer->content_length, download->d.size - download->got,
				       err);
	} else if (answer->status == 200) {
		download->skip = download->got;
		r = check_size(download, answer->content_length, download->d.size, err);
	} else {
		r = cor_fail(err, COR_CORRUPT, EBADMSG, "the registry answers %d to a question for a blob",
			     answer->status);
	}
	return r;
}

static int data_arrived(void *userdata, const void *data, size_t size, struct cor_error *err)
{
	struct download *download = userdata;
	size_t known = (size_t)MIN((uint64_t)size, download->skip);
	int r;

	download->skip -= known;
	size -= known;
	if (size > download->d.size - download->got)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the registry sends more than the %llu bytes that the manifest promises",
				(unsigned long long)download->d.size);
	if (size == 0)
		return 0;
	download->got += size;
	retry_progress(&download->retry, size);
	r = download->d.on_data(download->d.userdata, (const char *)data + known, size, err);
	if (r < 0)
		download->ours = true;
	return r;
}

/* Ends without a promised length that end too early look like whole ones. */
static void check_whole(const struct download *download, struct exchange_result *result)
{
	if (result->outcome != OUTCOME_ANSWERED || download->got == download->d.size)
		return;
	result->outcome = OUTCOME_BROKEN;
	cor_fail(result->error, COR_CORRUPT, EBADMSG, "the registry sent %llu of %llu bytes",
		 (unsigned long long)download->got, (unsigned long long)download->d.size);
}

static void explain(const struct download *download, const struct exchange_result *result)
{
	if (result->answer && result->answer->status == 416)
		cor_fail(result->error, COR_CORRUPT, EBADMSG,
			 "the registry has less of it than the %llu bytes that the manifest promises",
			 (unsigned long long)download->d.size);
	cor_context(result->error, 0, "blob %.19s", download->d.digest);
}

static void ended(void *userdata, const struct exchange_result *ended_with)
{
	struct download *download = userdata;
	struct registry *registry = download->job.registry;
	struct exchange_result result = *ended_with;
	int delay = -1;

	download->exchange = NULL;
	check_whole(download, &result);
	if (result.outcome == OUTCOME_ANSWERED) {
		finish(download, &(struct cor_error){0});
		return;
	}
	if (!download->ours && download->place < registry->hosts.count - 1) {
		download->place++;
		delay = 0;
	} else if (!download->ours) {
		delay = retry_delay(&download->retry, &registry->engine.limits, &result);
	}
	if (delay < 0) {
		explain(download, &result);
		finish(download, result.error);
		return;
	}
	tell(download, COR_TRANSFER_RETRYING);
	engine_set_timer(&registry->engine, &download->timer, (unsigned)delay, attempt, download);
}

static void attempt(void *userdata)
{
	struct download *download = userdata;
	struct registry *registry = download->job.registry;
	_free_ char *target = str_format("%s/blobs/%s", registry->ref.path, download->d.digest);
	_strv_ struct strv headers = {0};
	struct exchange_request request = {
		.place = &registry->places[download->place],
		.method = "GET",
		.target = target,
		.scope = registry->scope,
		.headers = &headers,
		.missing = MISSING,
		.fd = -1,
		.on_head = head_arrived,
		.on_data = data_arrived,
		.on_end = ended,
		.userdata = download,
	};

	if (download->got == download->d.size) { /* nothing is missing */
		finish(download, &(struct cor_error){0});
		return;
	}
	if (download->got > 0)
		strv_addf(&headers, "Range: bytes=%llu-%llu", (unsigned long long)download->got,
			  (unsigned long long)download->d.size - 1);
	tell(download, COR_TRANSFER_RUNNING);
	download->exchange = exchange_start(&request);
}

static void download_start(struct job *job)
{
	struct download *download = container_of(job, struct download, job);

	/* A beginning must not call back: the caller is in registry_run, but not yet in its loop. */
	engine_set_timer(&job->registry->engine, &download->timer, 0, attempt, download);
}

void registry_download(struct registry *registry, const struct registry_download *d)
{
	struct download *download = xcalloc(1, sizeof(*download));

	download->d = *d;
	download->got = d->offset;
	download->place = registry->current;
	download->job = (struct job){.start = download_start, .free = download_free};
	registry_add_job(registry, &download->job);
}
