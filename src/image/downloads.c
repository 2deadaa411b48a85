/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs are begun in their order, so that the lowest layer, which is unpacked first, comes first. One that another command fetches keeps nobody from going on: it is tried again a few
 * times a second. A part is locked only while it is our turn, so two pulls of one image share its layers between them. */
#include "image/downloads.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>

#define CONCURRENT    3u
#define LOOK_EVERY_MS 100
#define REPORT_NS     UINT64_C(100000000)

void downloads_init(struct downloads *d, const struct image_store *store, int work, struct registry *registry,
		    const struct cor_registry_options *options)
{
	*d = (struct downloads){.store = store, .work = work, .registry = registry, .options = options};
}

void downloads_release(struct downloads *d)
{
	for (size_t i = 0; i < d->count; i++) {
		fetch_release(&d->items[i]->fetch);
		free(d->items[i]);
	}
	free(d->items);
	*d = (struct downloads){0};
}

struct download *downloads_find(const struct downloads *d, const char *digest)
{
	for (size_t i = 0; i < d->count; i++)
		if (strcmp(d->items[i]->fetch.digest, digest) == 0)
			return d->items[i];
	return NULL;
}

int downloads_add(struct downloads *d, const char *digest, uint64_t size, struct cor_error *err)
{
	struct download *item = downloads_find(d, digest);

	if (item && item->fetch.size != size)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "two sizes are said of %s", digest);
	if (!item) {
		item = xcalloc(1, sizeof(*item));
		item->all = d;
		fetch_init(&item->fetch, d->store, d->work, digest, size);
		d->items = xreallocarray(d->items, d->count + 1, sizeof(struct download *));
		d->items[d->count++] = item;
	}
	return 0;
}

/* ---- one of them ---- */

static void set_state(struct download *item, enum cor_transfer_state state)
{
	item->all->changed |= item->state != state;
	item->state = state;
}

static void set_complete(struct download *item, enum cor_transfer_state state)
{
	set_state(item, state);
	item->step = DOWNLOAD_COMPLETE;
	item->all->complete++;
}

/* The first failure is the reason; those that follow from it are not. */
static void fail(struct download *item, const struct cor_error *reason)
{
	struct downloads *d = item->all;

	if (d->failed)
		return;
	d->failed = true;
	d->failure = *reason;
}

static int on_data(void *userdata, const void *data, size_t size, struct cor_error *err)
{
	struct download *item = userdata;

	return fetch_add(&item->fetch, data, size, err);
}

static void on_state(void *userdata, enum cor_transfer_state state)
{
	set_state(userdata, state);
}

static void begin_more(struct downloads *d);

static void on_end(void *userdata, const struct cor_error *status)
{
	struct download *item = userdata;
	struct cor_error err = *status;

	item->all->running--;
	if (err.status != COR_OK || fetch_end(&item->fetch, &err) < 0) {
		fail(item, &err);
		return;
	}
	set_complete(item, COR_TRANSFER_DONE);
	begin_more(item->all);
}

static void request(struct download *item)
{
	struct registry_download wanted = {.size = item->fetch.size,
					   .offset = item->fetch.there,
					   .on_data = on_data,
					   .on_state = on_state,
					   .on_end = on_end,
					   .userdata = item};

	strcpy(wanted.digest, item->fetch.digest);
	item->step = DOWNLOAD_RUNNING;
	item->all->running++;
	registry_download(item->all->registry, &wanted);
}

static void begin(struct download *item)
{
	bool waited = item->step == DOWNLOAD_ELSEWHERE;
	struct cor_error err = {0};
	enum fetch_begun begun;

	if (fetch_begin(&item->fetch, &begun, &err) < 0) {
		fail(item, &err);
		return;
	}
	switch (begun) {
	case FETCH_HERE:
		set_complete(item, waited ? COR_TRANSFER_DONE : COR_TRANSFER_EXISTS);
		break;
	case FETCH_OURS:
		request(item);
		break;
	case FETCH_BUSY:
		item->step = DOWNLOAD_ELSEWHERE;
		break;
	}
}

/* ---- all of them ---- */

static bool may_begin(const struct downloads *d)
{
	unsigned most = d->options && d->options->concurrent ? d->options->concurrent : CONCURRENT;

	return !d->failed && d->running < most;
}

static void begin_more(struct downloads *d)
{
	while (d->first < d->count && may_begin(d)) {
		struct download *item = d->items[d->first++];

		if (item->step == DOWNLOAD_QUEUED)
			begin(item);
	}
}

static void look_elsewhere(struct downloads *d)
{
	uint64_t now = clock_monotonic_ns();

	if (now - d->looked_ns < LOOK_EVERY_MS * UINT64_C(1000000))
		return;
	d->looked_ns = now;
	for (size_t i = 0; i < d->count && may_begin(d); i++)
		if (d->items[i]->step == DOWNLOAD_ELSEWHERE)
			begin(d->items[i]);
}

bool downloads_done(const struct downloads *d)
{
	return d->complete == d->count;
}

int downloads_run(struct downloads *d, int timeout_ms, struct cor_error *err)
{
	size_t running;
	int r = 0;

	look_elsewhere(d);
	begin_more(d);
	if (d->running && !d->failed)
		r = registry_run(d->registry, timeout_ms, &running, err);
	else if (!d->failed && !downloads_done(d))
		poll(NULL, 0, MIN(timeout_ms, LOOK_EVERY_MS));
	if (d->failed) {
		if (err)
			*err = d->failure;
		return -(d->failure.err ? d->failure.err : EIO);
	}
	return r ?: downloads_report(d, false, err);
}

int downloads_report(struct downloads *d, bool at_once, struct cor_error *err)
{
	_free_ struct cor_transfer *transfers = NULL;
	uint64_t now = clock_monotonic_ns();

	if (!d->options || !d->options->progress ||
	    !(at_once || d->changed || now - d->reported_ns >= REPORT_NS))
		return 0;
	d->reported_ns = now;
	d->changed = false;
	transfers = xcalloc(d->count + 1, sizeof(*transfers));
	for (size_t i = 0; i < d->count; i++) {
		const struct download *item = d->items[i];
		bool unpacking = item->step == DOWNLOAD_COMPLETE && item->to_unpack;

		transfers[i] = (struct cor_transfer){
			.digest = item->fetch.digest,
			.done = item->fetch.there,
			.total = item->fetch.size,
			.state = unpacking ? COR_TRANSFER_UNPACKING : item->state,
		};
	}
	if (d->options->progress(d->options->userdata, transfers, d->count) != 0)
		return cor_fail(err, COR_CANCELLED, ECANCELED, "cancelled");
	return 0;
}

void downloads_cancel(struct downloads *d)
{
	for (size_t i = 0; i < d->count; i++)
		fetch_cancel(&d->items[i]->fetch);
}
