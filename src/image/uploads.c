/* SPDX-License-Identifier: Apache-2.0 */
#include "image/uploads.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>

#define CONCURRENT 3u
#define STEP_MS    100

void uploads_add(struct uploads *uploads, const char *digest, uint64_t size)
{
	struct upload *upload;

	for (size_t i = 0; i < uploads->count; i++)
		if (strcmp(uploads->items[i].digest, digest) == 0)
			return;
	uploads->items = xreallocarray(uploads->items, uploads->count + 1, sizeof(*uploads->items));
	upload = &uploads->items[uploads->count++];
	*upload = (struct upload){.size = size, .fd = -1, .state = COR_TRANSFER_WAITING};
	strcpy(upload->digest, digest);
}

void uploads_release(struct uploads *uploads)
{
	for (size_t i = 0; i < uploads->count; i++) {
		free(uploads->items[i].from);
		close_fd(&uploads->items[i].fd);
	}
	free(uploads->items);
	*uploads = (struct uploads){0};
}

static void on_progress(void *userdata, uint64_t done)
{
	((struct upload *)userdata)->done = done;
}

static void set_state(struct upload *upload, enum cor_transfer_state state)
{
	upload->all->changed |= upload->state != state;
	upload->state = state;
}

static void on_state(void *userdata, enum cor_transfer_state state)
{
	set_state(userdata, state);
}

static void begin_more(struct uploads *uploads);

static void on_end(void *userdata, const struct cor_error *status)
{
	struct upload *upload = userdata;
	struct uploads *uploads = upload->all;

	uploads->running--;
	close_fd(&upload->fd);
	if (status->status != COR_OK) {
		if (!uploads->failed)
			uploads->failure = *status;
		uploads->failed = true;
		return;
	}
	uploads->ended++;
	upload->done = upload->size;
	if (upload->state != COR_TRANSFER_EXISTS && upload->state != COR_TRANSFER_MOUNTED)
		set_state(upload, COR_TRANSFER_DONE);
	begin_more(uploads);
}

static void begin(struct uploads *uploads, struct upload *upload)
{
	struct registry_upload wanted = {.size = upload->size,
					 .from = upload->from,
					 .on_progress = on_progress,
					 .on_state = on_state,
					 .on_end = on_end,
					 .userdata = upload};

	upload->all = uploads;
	upload->fd = openat(uploads->dir, digest_hex(upload->digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (upload->fd < 0) {
		uploads->failed = true;
		cor_fail_errno(&uploads->failure, errno, "read %s from the image store", upload->digest);
		return;
	}
	strcpy(wanted.digest, upload->digest);
	wanted.fd = upload->fd;
	uploads->running++;
	registry_upload(uploads->registry, &wanted);
}

static void begin_more(struct uploads *uploads)
{
	unsigned most = uploads->options->concurrent ? uploads->options->concurrent : CONCURRENT;

	while (!uploads->failed && uploads->running < most && uploads->begun < uploads->count)
		begin(uploads, &uploads->items[uploads->begun++]);
}

static int report(struct uploads *uploads, bool at_once, struct cor_error *err)
{
	const struct cor_registry_options *options = uploads->options;
	_free_ struct cor_transfer *transfers = NULL;
	uint64_t now = clock_monotonic_ns();

	if (!options->progress ||
	    !(at_once || uploads->changed || now - uploads->reported_ns >= STEP_MS * UINT64_C(1000000)))
		return 0;
	uploads->reported_ns = now;
	uploads->changed = false;
	transfers = xcalloc(uploads->count + 1, sizeof(*transfers));
	for (size_t i = 0; i < uploads->count; i++)
		transfers[i] = (struct cor_transfer){
			.digest = uploads->items[i].digest,
			.done = uploads->items[i].done,
			.total = uploads->items[i].size,
			.state = uploads->items[i].state,
		};
	if (options->progress(options->userdata, transfers, uploads->count) != 0)
		return cor_fail(err, COR_CANCELLED, ECANCELED, "cancelled");
	return 0;
}

int uploads_send(struct uploads *uploads, struct registry *registry,
		 const struct cor_registry_options *options, struct cor_error *err)
{
	int r = 0;

	uploads->registry = registry;
	uploads->options = options;

	begin_more(uploads);
	while (r == 0 && !uploads->failed && uploads->ended < uploads->count) {
		size_t running;

		r = registry_run(uploads->registry, STEP_MS, &running, err);
		r = r ?: report(uploads, false, err);
	}
	if (r == 0 && uploads->failed) {
		if (err)
			*err = uploads->failure;
		return -(uploads->failure.err ? uploads->failure.err : EIO);
	}
	return r ?: report(uploads, true, err);
}
