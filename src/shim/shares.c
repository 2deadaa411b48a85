/* SPDX-License-Identifier: Apache-2.0 */
/* The container's shares: each gets a virtiofsd before the VMM starts, is mounted by the guest, and is watched. When a virtiofsd ends before its machine, the
 * container is stopped. Nothing is started again: QEMU's line to it, and what it knew of the guest's open files, died with it. */
#include "shim/shim.h"

#include "container/shares.h"
#include "share/share.h"

#include <errno.h>

#define STOP_MS         3000
#define SHARE_LINES_MAX 100 /* of one virtiofsd's messages that are kept */

struct shim_share {
	struct shim *shim;
	const struct container_share *what;
	size_t number;
	struct share share;
	uv_poll_t end, messages;
	unsigned lines;
	char message[200]; /* the last one */
};

struct shim_shares {
	struct shim_share items[SHARES_MAX];
	size_t count;
	unsigned open; /* handles */
};

/* ---- virtiofsd ---- */

static void drain(struct shim_share *share)
{
	char data[2048], *line, *rest = data;
	ssize_t n = read(share->share.messages, data, sizeof(data) - 1);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			uv_poll_stop(&share->messages);
		return;
	}
	data[n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		text_copy(share->message, sizeof(share->message), line);
		if (share->lines++ < SHARE_LINES_MAX)
			log_warning("share '%s': virtiofsd: %s", share->what->host, share->message);
	}
}

static void on_message(uv_poll_t *poll, int status, int events)
{
	drain(poll->data);
}

/* In a guest whose requests nobody answers any more, whoever touches the share sleeps so deeply that no signal wakes him, and its kernel knows no way to end that. So the container is
 * stopped as a user would stop it; what does not end is killed with the machine. */
static void lose(struct shim_share *share)
{
	struct shim *shim = share->shim;
	_free_ char *line = NULL;

	snprintf(shim->share_failure, sizeof(shim->share_failure),
		 "share '%.300s' was lost: its virtiofsd ended", share->what->host);
	line = str_format("coracle: %s\n", shim->share_failure);
	log_error("%s", shim->share_failure);
	rotating_write(&shim->console_log, line, strlen(line));
	shim_stop(shim, shim->record.stop_signal, STOP_MS);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
	struct shim_share *share = poll->data;
	struct shim *shim = share->shim;
	struct cor_error err;

	drain(share);
	uv_poll_stop(poll);
	if (shim->stage >= ENDING)
		return;
	if (shim->stage == RUNNING) {
		lose(share);
		return;
	}
	cor_fail(&err, COR_UNAVAILABLE, EIO, "share '%s': virtiofsd ended: %s", share->what->host,
		 share->message[0] ? share->message : "it did not say why");
	shim_fail(shim, &err);
}

static void watch(struct shim_share *share, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	uv_poll_init(&share->shim->loop, poll, fd);
	poll->data = share;
	uv_poll_start(poll, UV_READABLE, callback);
	share->shim->shares->open++;
}

static int start_one(struct shim *shim, size_t number, struct cor_error *err)
{
	const struct container_share *what = &shim->record.shares.items[number];
	struct share_wish wish = {.path = what->host, .read_only = what->read_only, .run_dir = shim->run_dir};
	struct shim_share *share = &shim->shares->items[number];
	_fd_ int fd = -1;
	int r = share_open(what->host, &fd, &wish.st, err);

	if (r == 0 && S_ISREG(wish.st.st_mode) != what->file)
		r = cor_fail(err, COR_INVALID, EINVAL, "'%s' of the host is no %s any more", what->host,
			     what->file ? "file" : "directory");
	*share = (struct shim_share){.shim = shim, .what = what, .number = number, .share = SHARE_NONE};
	r = r ?: share_start(&wish, &share->share, err);
	if (r < 0)
		return r;
	shim->shares->count++;
	watch(share, &share->end, share->share.pidfd, on_end);
	watch(share, &share->messages, share->share.messages, on_message);
	return 0;
}

int shares_start(struct shim *shim, struct vm_share *shares, size_t *ret_count, struct cor_error *err)
{
	size_t count = shim->maintenance && !shim->with_volumes ? 0 : shim->record.shares.count;
	int r = 0;

	*ret_count = count;
	if (!count)
		return 0;
	shares_stop(shim);
	shim->shares = xcalloc(1, sizeof(*shim->shares));
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = start_one(shim, i, err);
		snprintf(shares[i].tag, sizeof(shares[i].tag), "share-%zu", i);
		shares[i].fd = shim->shares->items[i].share.vmm_fd;
	}
	return r;
}

void shares_handed_over(struct shim *shim)
{
	for (size_t i = 0; shim->shares && i < shim->shares->count; i++)
		close_fd(&shim->shares->items[i].share.vmm_fd);
}

static void on_closed(uv_handle_t *handle)
{
	struct shim_shares *shares = handle->data;

	if (--shares->open == 0)
		free(shares);
}

void shares_stop(struct shim *shim)
{
	struct shim_shares *shares = steal_ptr(shim->shares);

	if (!shares)
		return;
	for (size_t i = 0; i < shares->count; i++) {
		struct shim_share *share = &shares->items[i];
		uv_poll_t *polls[] = {&share->end, &share->messages};

		for (size_t p = 0; p < ARRAY_SIZE(polls); p++) {
			polls[p]->data = shares;
			uv_close((uv_handle_t *)polls[p], on_closed);
		}
		share_stop(&share->share);
	}
	if (!shares->open)
		free(shares);
}

/* ---- the guest's side ---- */

static void on_mounted(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	if (!went_well(user, status, NULL))
		return;
	shim_time(user, "guest", "share mounted");
	prepared(user);
}

static int mount_one(struct shim *shim, size_t number, struct cor_error *err)
{
	Coracle__Agent__V1__MountRequest request = CORACLE__AGENT__V1__MOUNT_REQUEST__INIT;
	Coracle__Agent__V1__Filesystem filesystem = CORACLE__AGENT__V1__FILESYSTEM__INIT;
	_free_ char *place = container_share_place(shim->id, number),
		    *source = str_format("share:share-%zu", number);
	char *options[] = {(char[]){"nodev"}};

	filesystem.source = source;
	filesystem.type = (char[]){"virtiofs"};
	filesystem.options = options;
	filesystem.n_options = ARRAY_SIZE(options);
	request.target = place;
	request.filesystem = &filesystem;
	return rpc_call_unary(shim->guest, AGENT("Mount"), &request.base,
			      &coracle__agent__v1__empty__descriptor, CALL_TIMEOUT_MS, on_mounted, shim, err);
}

void shares_mount(struct shim *shim)
{
	struct cor_error err;

	for (size_t i = 0; shim->shares && i < shim->shares->count && shim->stage == BOOTING; i++) {
		if (!rpc_conn_alive(shim->guest))
			return;
		shim->preparing++;
		if (mount_one(shim, i, &err) < 0)
			shim_fail(shim, &err);
	}
}
