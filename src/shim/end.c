/* SPDX-License-Identifier: Apache-2.0 */
/* The end, whatever brings it: the guest is asked to shut down (it syncs and unmounts), the VMM's end is awaited, and only when everything is freed and the
 * truth is on disk do the waiting clients hear of it. A client that has heard of the end may start the container again at once, or use its name.
 *
 * A container that goes with its process (`--rm`), and has written little, is not waited for: nobody can start it again or read its disk, and its name is free once
 * its files are gone.
 * Those who wait hear of the end as soon as that is so, and the machine goes down behind them, in the same orderly way. */
#include "container/state.h"
#include "shim/shim.h"

#include "base/clock.h"
#include "container/volumes.h"
#include "shim/hub.h"
#include "shim/logs.h"
#include "shim/publish.h"
#include "shim/ready.h"
#include "shim/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define SHUTDOWN_MS 15000
#define STALL_MS    5000      /* without a byte read: a reader that stands still; a message may be a MiB */
#define KILL_MS     10000     /* between SIGKILL to the process and the end of the machine */
#define LINGER_MS   100       /* for last bytes on their way to clients */
#define LITTLE      (4 << 20) /* bytes of a disk that may be freed a little later */
#define FIRST_MS    10000     /* for the client that started us: it may not have asked yet */

/* ---- leaving ---- */

/* However slow a client is: what was said to it gets there. */
static void on_linger_timeout(uv_timer_t *timer)
{
	struct shim *shim = timer->data;

	if (rpc_listener_drained(shim->listener))
		uv_stop(timer->loop);
	else
		uv_timer_start(timer, on_linger_timeout, LINGER_MS, 0);
}

/* Nobody waits any more; what is on its way to clients still has to reach them. */
static void leave_if_done(struct shim *shim)
{
	if (shim->stage != OVER || shim->open_calls)
		return;
	if (shim->first_client_fd < 0 && rpc_listener_drained(shim->listener)) {
		uv_stop(&shim->loop);
		return;
	}
	uv_update_time(&shim->loop);
	uv_timer_start(&shim->end_timer, on_linger_timeout,
		       shim->first_client_fd >= 0 && !shim->asked ? FIRST_MS : LINGER_MS, 0);
}

void shim_call_ended(struct shim *shim)
{
	shim->open_calls--;
	leave_if_done(shim);
}

void shim_first_client_gone(struct shim *shim)
{
	uv_close((uv_handle_t *)&shim->first_client, NULL);
	close_fd(&shim->first_client_fd);
	shim_look_for_owner(shim);
	leave_if_done(shim);
}

/* Both the end of its connection and the end of its call lead here, in whatever order they are heard. */
void shim_look_for_owner(struct shim *shim)
{
	struct cor_error err;

	if (shim->stage >= STARTING || shim->first_client_fd >= 0 || shim->starts.count)
		return;
	cor_fail(&err, COR_CANCELLED, ECANCELED, "whoever started the machine went away");
	shim_fail(shim, &err);
}

/* ---- the truth on disk ---- */

/* A disk that is full now had room when the machine started, and some was kept: how it ended is worth more than anything. */
static int write_end(struct shim *shim, const struct container_state *state, struct cor_error *err)
{
	int r = container_state_write(&shim->roots, shim->id, state, err);

	if (unlinkat(shim->data_dir, SPARE_FILE, 0) == 0 && (r == -ENOSPC || r == -EDQUOT))
		r = container_state_write(&shim->roots, shim->id, state, err);
	return r;
}

static void write_state(struct shim *shim)
{
	struct container_state state = {.status = COR_EXITED,
					.exit = shim->end.exit,
					.started_ns = shim->started_ns,
					.finished_ns = shim->end.at_ns,
					.saved = shim->from_saved,
					.pooled = shim->from_pool};
	struct cor_error err;
	int r;

	/* How it ended, if it has ever run, is written already. */
	if (shim->maintenance)
		return;
	if (shim->record.auto_remove)
		r = container_remove_itself(&shim->roots, &shim->record, &err);
	else
		r = write_end(shim, &state, &err);
	if (r < 0)
		log_error("%s", err.msg);
}

/* The truth on disk, and then to all that wait. */
static void tell(struct shim *shim)
{
	shim->told = true;
	/* Whoever hears of the end may want the name, the address or a port again. */
	publish_stop(shim);
	network_leave_all(shim);
	sockets_close(shim);
	if (!shim->maintenance)
		container_log_close(&shim->log, clock_realtime_ns());
	/* Without the lock it is another shim's container. */
	if (shim->lock_fd >= 0) {
		unlinkat(shim->run_dir, "shim.sock", 0);
		write_state(shim);
		close_fd(&shim->lock_fd);
	}
	shim_time(shim, "shim", "end written");
	service_answer_all(shim);
	logs_grown(shim);
	hub_end(shim->hub);
}

/* Nothing that the machine still does can be seen: all its disks go with it (a volume or what is shared would not), and the room that they take until then is not worth a thought. */
static bool leaves_nothing(const struct shim *shim)
{
	struct stat st;

	return shim->record.auto_remove && !shim->record.volume_count && !shim->record.shares.count &&
	       (fstatat(shim->data_dir, "root.qcow2", &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		st.st_blocks < LITTLE / 512);
}

static void finish(struct shim *shim)
{
	shim->stage = OVER;
	uv_timer_stop(&shim->end_timer);
	uv_timer_stop(&shim->stop_timer);
	uv_timer_stop(&shim->stall_timer);
	machine_unwatch(shim);
	vm_free(shim->vm);
	shim->vm = NULL;
	shares_stop(shim);
	shim_time(shim, "VMM", "VMM gone");
	rpc_conn_free(shim->guest);
	shim->guest = NULL;
	cgroup_leave(&shim->cgroup);
	rotating_close(&shim->console_log);
	ready_refill_now(shim);
	if (!shim->told)
		tell(shim);
	service_answer_all(shim);
	leave_if_done(shim);
}

/* ---- taking the machine down ---- */

static void on_end_timeout(uv_timer_t *timer)
{
	struct shim *shim = timer->data;

	log_warning("the guest does not shut down: killing the machine");
	vm_kill(shim->vm);
}

/* What the guest promises of its answer to Shutdown (see agent.proto). */
static bool settles_first(const Coracle__Agent__V1__HelloResponse *hello)
{
	for (size_t i = 0; hello && i < hello->n_features; i++)
		if (str_equal(hello->features[i], "settles-first"))
			return true;
	return false;
}

static void on_shutdown(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct shim *shim = user;
	/* Its going may be faster than its answer. */
	bool waits = status->status == COR_UNAVAILABLE ||
		     (status->status == COR_OK && !settles_first(shim->hello));

	if (shim->stage == ENDING && shim->vm && !waits)
		vm_kill(shim->vm);
}

static void take_down(struct shim *shim)
{
	Coracle__Agent__V1__ShutdownRequest request = CORACLE__AGENT__V1__SHUTDOWN_REQUEST__INIT;

	uv_timer_stop(&shim->boot_timer);
	uv_timer_stop(&shim->stop_timer);
	if (!shim->vm) {
		finish(shim);
		return;
	}
	if (!shim->guest ||
	    rpc_call_unary(shim->guest, AGENT("Shutdown"), &request.base,
			   &coracle__agent__v1__empty__descriptor, SHUTDOWN_MS, on_shutdown, shim, NULL) < 0)
		vm_kill(shim->vm);
	uv_update_time(&shim->loop);
	uv_timer_start(&shim->end_timer, on_end_timeout, SHUTDOWN_MS, 0);
}

/* ---- what brings the end ---- */

void shim_fail(struct shim *shim, const struct cor_error *err)
{
	if (shim->stage >= ENDING)
		return;
	log_error("%s", err->msg);
	if (shim->unclaimed) {
		ready_end(shim);
		return;
	}
	shim->stage = ENDING;
	shim->failure = *err;
	shim->end = (struct shim_end){.at_ns = clock_realtime_ns()};
	shim->end.exit.code = cor_status_exit_code(err->status);
	snprintf(shim->end.exit.reason, sizeof(shim->end.exit.reason), "%s", err->msg);
	take_down(shim);
}

void shim_give_up(struct shim *shim)
{
	if (shim->stage == OVER)
		return;
	shim->stage = ENDING;
	if (shim->vm)
		vm_kill(shim->vm);
	else
		finish(shim);
}

void shim_exited(struct shim *shim, const Coracle__Agent__V1__ExitStatus *status)
{
	if (shim->unclaimed) {
		ready_exited(shim, status);
		return;
	}
	if (shim->stage >= ENDING)
		return;
	shim_time(shim, "guest", "process ended");
	shim->end = (struct shim_end){.at_ns = clock_realtime_ns()};
	shim->end.exit.code = (int)(status->code & 255);
	shim->end.exit.signal = (int)(status->signal & 127);
	shim->end.exit.out_of_memory = status->out_of_memory;
	snprintf(shim->end.exit.reason, sizeof(shim->end.exit.reason), "%s",
		 shim->share_failure[0] ? shim->share_failure : shim->disk_failure);
	/* The process may be faster than the answer to Start. */
	if (shim->stage == STARTING) {
		shim->started_ns = shim->end.at_ns;
		service_answer_starts(shim);
		boot_count(shim);
	}
	shim->stage = ENDING;
	take_down(shim);
	if (leaves_nothing(shim) && !shim->told)
		tell(shim);
}

static void describe_death(struct shim *shim, struct cor_error *err)
{
	if (shim->panic[0])
		cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "the guest's kernel panicked: %s%s", shim->panic,
			 shim->guest_oom ? " (it had run out of memory: give it more with --memory)" : "");
	else if (strstr(shim->message, "cannot set up guest memory"))
		cor_fail(err, COR_EXHAUSTED, ENOMEM,
			 "the host has not %llu MiB free for the machine: use less --memory",
			 (unsigned long long)(shim->record.machine.memory >> 20));
	else if (shim->share_failure[0])
		cor_fail(err, COR_UNAVAILABLE, EIO, "%s", shim->share_failure);
	else if (shim->message[0])
		cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "the virtual machine ended: %s", shim->message);
	else if (shim->vm->end[0])
		cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "the virtual machine ended: %s", shim->vm->end);
	else
		cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "the virtual machine was killed");
}

void shim_machine_gone(struct shim *shim)
{
	if (shim->stage < ENDING) {
		bool ran = shim->stage == RUNNING;

		describe_death(shim, &shim->failure);
		log_error("%s", shim->failure.msg);
		shim->end = (struct shim_end){.at_ns = clock_realtime_ns()};
		shim->end.exit.code = ran ? 128 + SIGKILL : cor_status_exit_code(shim->failure.status);
		shim->end.exit.signal = ran ? SIGKILL : 0;
		shim->end.exit.out_of_memory = shim->guest_oom && shim->panic[0];
		snprintf(shim->end.exit.reason, sizeof(shim->end.exit.reason), "%s", shim->failure.msg);
	}
	finish(shim);
}

/* ---- stopping ---- */

static void on_signalled(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	/* A process that has just ended is what was wanted; one that does not end is killed by the timer. */
}

static void signal_process(struct shim *shim, int signal)
{
	Coracle__Agent__V1__SignalProcessRequest request = CORACLE__AGENT__V1__SIGNAL_PROCESS_REQUEST__INIT;

	request.container_id = shim->id;
	request.process_id = (char[]){FIRST_PROCESS};
	request.signal = (uint32_t)signal;
	if (!shim->guest ||
	    rpc_call_unary(shim->guest, AGENT("SignalProcess"), &request.base,
			   &coracle__agent__v1__empty__descriptor, KILL_MS, on_signalled, shim, NULL) < 0)
		vm_kill(shim->vm);
}

static void on_kill_timeout(uv_timer_t *timer)
{
	struct shim *shim = timer->data;

	if (shim->stage < ENDING && shim->vm) {
		log_warning("the guest does not end its process: killing the machine");
		vm_kill(shim->vm);
	}
}

/* From here on nothing that is asked can put the end off. */
static void kill_process(struct shim *shim)
{
	if (shim->killing)
		return;
	shim->killing = true;
	hub_let_flow(shim->hub);
	signal_process(shim, SIGKILL);
	uv_update_time(&shim->loop);
	uv_timer_start(&shim->stop_timer, on_kill_timeout, KILL_MS, 0);
}

static void on_stop_timeout(uv_timer_t *timer)
{
	struct shim *shim = timer->data;

	if (shim->stage < ENDING)
		kill_process(shim);
}

/* The end of a process comes after its output: a reader that does not read must not keep it from us. One that reads slowly may go on. */
static void on_stall_look(uv_timer_t *timer)
{
	struct shim *shim = timer->data;

	if (shim->stage >= ENDING)
		uv_timer_stop(timer);
	else if (hub_is_stuck(shim->hub))
		hub_let_flow(shim->hub);
}

void shim_stop(struct shim *shim, int signal, int64_t timeout_ms)
{
	struct cor_error err;

	if (shim->unclaimed) {
		ready_end(shim);
		return;
	}
	if (shim->stage >= ENDING)
		return;
	if (shim->stage < RUNNING) {
		cor_fail(&err, COR_CANCELLED, ECANCELED, "stopped before the process was started");
		shim_fail(shim, &err);
		return;
	}
	if (signal == SIGKILL) {
		kill_process(shim);
		return;
	}
	if (shim->killing)
		return;
	signal_process(shim, signal);
	uv_update_time(&shim->loop);
	if (!uv_is_active((uv_handle_t *)&shim->stall_timer))
		uv_timer_start(&shim->stall_timer, on_stall_look, STALL_MS, STALL_MS);
	/* Who asks again makes the end come sooner, but not later. */
	if (timeout_ms >= 0 && (!uv_is_active((uv_handle_t *)&shim->stop_timer) ||
				uv_timer_get_due_in(&shim->stop_timer) > (uint64_t)timeout_ms))
		uv_timer_start(&shim->stop_timer, on_stop_timeout, (uint64_t)timeout_ms, 0);
}

void exit_status_fill(const struct shim *shim, Coracle__Agent__V1__ExitStatus *status)
{
	status->code = (uint32_t)shim->end.exit.code;
	status->signal = (uint32_t)shim->end.exit.signal;
	status->out_of_memory = shim->end.exit.out_of_memory;
	status->exited_at_ns = shim->end.at_ns;
}
