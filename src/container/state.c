/* SPDX-License-Identifier: Apache-2.0 */
/* state.json, and what becomes of one that says "running" beside a free lock. */
#include "container/state.h"

#include "base/clock.h"
#include "base/json.h"
#include "container/folders.h"
#include "container/lock.h"
#include "container/record.h"

#include <errno.h>
#include <sys/file.h>

static const char *const status_words[] = {
	[COR_CREATED] = "created", [COR_RUNNING] = "running", [COR_EXITED] = "exited"};

int container_state_write(const struct roots *roots, const char *id, const struct container_state *state,
			  struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, id);
	_json_ json_t *document = NULL;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	document = json_pack(
		"{s:s, s:i, s:i, s:b, s:o, s:I, s:I, s:b, s:b}", "status", status_words[state->status],
		"exitCode", state->exit.code, "signal", state->exit.signal, "outOfMemory",
		(int)state->exit.out_of_memory,
		/* What a guest's kernel printed need not be UTF-8; better no reason than no state. */
		"reason", json_string(state->exit.reason) ?: json_string("unreadable"), "started",
		(json_int_t)state->started_ns, "finished", (json_int_t)state->finished_ns, "saved",
		(int)state->saved, "pooled", (int)state->pooled);
	return json_write_file(dir, "state.json", document, 0600, err);
}

int container_state_parse(const json_t *document, struct container_state *state)
{
	const char *status = NULL, *reason = NULL;
	int64_t code = 0, signal = 0;
	int r = json_get_string(document, "status", &status);

	r = r ?: json_get_int(document, "exitCode", &code);
	r = r ?: json_get_int(document, "signal", &signal);
	r = r ?: json_get_bool(document, "outOfMemory", &state->exit.out_of_memory);
	r = r ?: json_get_string(document, "reason", &reason);
	r = r ?: json_get_int(document, "started", &state->started_ns);
	r = r ?: json_get_int(document, "finished", &state->finished_ns);
	r = r ?: json_get_bool(document, "saved", &state->saved);
	r = r ?: json_get_bool(document, "pooled", &state->pooled);
	if (r < 0)
		return r;
	state->exit.code = (int)(code & 255);
	state->exit.signal = (int)(signal & 127);
	snprintf(state->exit.reason, sizeof(state->exit.reason), "%s", reason ? reason : "");
	for (size_t i = 0; i < ARRAY_SIZE(status_words); i++) {
		if (!str_equal(status, status_words[i]))
			continue;
		state->status = (enum cor_container_status)i;
		return 0;
	}
	return -EINVAL;
}

int container_state_read(const struct roots *roots, const char *id, struct container_state *ret,
			 struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, id);
	_json_ json_t *document = NULL;
	struct container_state state = {0};
	struct cor_error ignored;
	int r;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	r = json_read_file(dir, "state.json", CONTAINER_FILE_MAX, &document, err ? err : &ignored);
	if (r == -ENOENT) {
		/* It has never run. */
		*ret = state;
		return 0;
	}
	if (r < 0 && r != -EBADMSG)
		return cor_context(err, r, "container %.12s", id);
	if (r < 0 || container_state_parse(document, &state) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"container %.12s: state.json is damaged: remove it with rm -f", id);
	*ret = state;
	return 0;
}

/* Under a lock that keeps shims out: whoever was running is dead. */
static int record_death(const struct roots *roots, const char *id, struct container_state *state,
			struct cor_error *err)
{
	/* It may have ended properly between the two looks. */
	int r = container_state_read(roots, id, state, err);

	if (r < 0 || state->status != COR_RUNNING)
		return r;
	state->status = COR_EXITED;
	state->exit = (struct cor_exit){.code = 137, .signal = 9, .reason = "the container's shim died"};
	state->finished_ns = clock_realtime_ns();
	r = container_state_write(roots, id, state, err);
	if (r == 0)
		container_run_dir_free(roots, id);
	return r;
}

/* Those who settle exclude each other by the bundle's own lock and hold the container's only as lookers do, so that nobody takes them for a shim. */
int container_status(const struct roots *roots, const char *id, struct container_state *ret,
		     struct cor_error *err)
{
	struct container_state state;
	_fd_ int settling = -1, lock = -1;
	int r = container_state_read(roots, id, &state, err);

	if (r < 0)
		return r;
	if (state.status != COR_RUNNING || container_is_locked(roots, id) == 1) {
		*ret = state;
		return 0;
	}
	settling = container_data_dir(roots, id);
	if (settling < 0)
		return cor_fail_errno(err, settling, "container %.12s", id);
	while (flock(settling, LOCK_EX) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "container %.12s: lock", id);
	r = container_lock_shared(roots, id, &lock, err);
	if (r == -EBUSY) {
		/* Started again meanwhile. */
		*ret = state;
		return 0;
	}
	r = r ?: record_death(roots, id, &state, err);
	if (r == 0)
		*ret = state;
	return r;
}
