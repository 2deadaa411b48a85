/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a process is told by two things: its socket (ready, execve succeeded or failed) and the reaping of children (its end).
 * Before an end is acted on, the socket is read to its end, so that their order does not matter. */
#include "init/process.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "init/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct process *process_find(const struct container *container, const char *id)
{
	for (struct process *process = container->processes; process; process = process->next)
		if (strcmp(process->id, id) == 0)
			return process;
	return NULL;
}

struct process *process_find_pid(const struct container *container, pid_t pid)
{
	for (struct process *process = container->processes; process; process = process->next)
		if (process->pid == pid && process_alive(process))
			return process;
	return NULL;
}

bool process_alive(const struct process *process)
{
	return process->state != PROCESS_ENDED;
}

/* ---- answering ---- */

/* Takes the call out of *slot and out of our hands. */
static struct rpc_call *take_call(struct rpc_call **slot)
{
	struct rpc_call *call = steal_ptr(*slot);

	if (call)
		rpc_call_listen(call, &(struct rpc_call_events){0}, NULL);
	return call;
}

static void answer_making(struct process *process, const struct cor_error *failure)
{
	Coracle__Agent__V1__CreateProcessResponse response =
		CORACLE__AGENT__V1__CREATE_PROCESS_RESPONSE__INIT;
	struct rpc_call *call = take_call(&process->making);

	response.pid = (uint32_t)process->pid;
	if (call && failure)
		rpc_call_finish(call, failure);
	else if (call)
		rpc_call_reply(call, &response.base);
}

static void answer_starting(struct process *process, const struct cor_error *failure)
{
	struct rpc_call *call = take_call(&process->starting);

	if (call && failure)
		rpc_call_finish(call, failure);
	else if (call)
		guest_reply_empty(call);
}

static void answer_waiters(struct process *process)
{
	while (process->waiters) {
		struct waiter *waiter = process->waiters;

		process->waiters = waiter->next;
		rpc_call_listen(waiter->call, &(struct rpc_call_events){0}, NULL);
		rpc_call_reply(waiter->call, &process->exit.base);
		free(waiter);
	}
}

static void on_making_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	((struct process *)user)->making = NULL;
}

static void on_starting_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	((struct process *)user)->starting = NULL;
}

/* ---- the socket ---- */

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void close_socket(struct process *process)
{
	if (process->poll)
		uv_close((uv_handle_t *)process->poll, free_handle);
	process->poll = NULL;
	close_fd(&process->socket);
}

/* Takes the terminal. */
static void become_ready(struct process *process, int terminal)
{
	struct cor_error err = {0};
	int r = 0;

	if (terminal >= 0)
		r = streams_open_terminal(&process->streams, process->container->guest->loop, terminal,
					  process->input, &err);
	process->state = PROCESS_READY;
	if (r < 0)
		kill(process->pid, SIGKILL);
	answer_making(process, r < 0 ? &err : NULL);
}

static void hear_report(struct process *process, const struct child_report *report, int terminal)
{
	_fd_ int own = terminal;

	if (report->error.status != COR_OK)
		process->failure = report->error;
	else if (process->state == PROCESS_MAKING)
		become_ready(process, steal_fd(&own));
	/* A failure before it was ready is answered at its end, when the id is free again. */
	if (report->error.status != COR_OK && process->state == PROCESS_STARTING)
		answer_starting(process, &process->failure);
}

static void hear(struct process *process)
{
	struct child_report report;
	int terminal, r;

	while (process->socket >= 0) {
		r = child_receive(process->socket, &report, &terminal);
		if (r == -EAGAIN || r == -EINTR)
			return;
		if (r > 0) {
			hear_report(process, &report, terminal);
			continue;
		}
		close_socket(process);
		if (process->state == PROCESS_STARTING && process->failure.status == COR_OK) {
			process->state = PROCESS_RUNNING;
			answer_starting(process, NULL);
		}
	}
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	hear(poll->data);
}

/* ---- making ---- */

/* Both ends of the standard streams; -1 for what is not there. */
struct pipes {
	int ours[3], theirs[3];
};

static void pipes_release(struct pipes *pipes)
{
	for (int i = 0; i < 3; i++) {
		close_fd(&pipes->ours[i]);
		close_fd(&pipes->theirs[i]);
	}
}

static int pipes_open(struct pipes *pipes, bool input)
{
	for (int i = input ? 0 : 1; i < 3; i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return -errno;
		pipes->ours[i] = fds[i == 0];
		pipes->theirs[i] = fds[i != 0];
	}
	return 0;
}

static int spawn(struct process *process, struct child *child, struct cor_error *err)
{
	_cleanup_(pipes_release) struct pipes pipes = {{-1, -1, -1}, {-1, -1, -1}};
	struct container *container = process->container;
	uv_loop_t *loop = container->guest->loop;
	int r = child->process->terminal ? 0 : pipes_open(&pipes, process->input);

	if (r < 0)
		return cor_fail_errno(err, r, "the standard streams");
	memcpy(child->stdio, pipes.theirs, sizeof(child->stdio));
	r = child_spawn(child, container->guest->pid_namespace, &process->pid, &process->pidfd,
			&process->socket, err);
	/* The kernel's words for a PID name space whose first process has just ended. */
	if (r < 0 && child->join >= 0 && (r == -ESRCH || r == -ENOMEM))
		return cor_fail(err, COR_BUSY, ESRCH, "container '%s' has ended", container->id);
	if (r < 0)
		return r;
	/* The process is there: what fails from now on is no failure of making it, but of its streams. */
	return streams_open(&process->streams, loop, steal_fd(&pipes.ours[0]), steal_fd(&pipes.ours[1]),
			    steal_fd(&pipes.ours[2]), err);
}

static int watch_socket(struct process *process, struct cor_error *err)
{
	uv_poll_t *poll = xcalloc(1, sizeof(*poll));
	int r = uv_poll_init(process->container->guest->loop, poll, process->socket);

	if (r < 0) {
		free(poll);
		return cor_fail_errno(err, r, "a new process");
	}
	poll->data = process;
	process->poll = poll;
	uv_poll_start(poll, UV_READABLE, on_socket);
	return 0;
}

static struct process *process_new(struct container *container, const char *id, bool input)
{
	struct process *process = xcalloc(1, sizeof(*process));

	*process = (struct process){
		.next = container->processes,
		.container = container,
		.id = xstrdup(id),
		.pidfd = -1,
		.socket = -1,
		.input = input,
		.oom_kills = container_oom_kills(container),
	};
	coracle__agent__v1__exit_status__init(&process->exit);
	streams_init(&process->streams);
	container->processes = process;
	return process;
}

static int check_first(const struct container *container, struct cor_error *err)
{
	const struct process *first = container->first;

	if (!first || first->state == PROCESS_READY || first->state == PROCESS_STARTING ||
	    first->state == PROCESS_RUNNING)
		return 0;
	return cor_fail(err, COR_BUSY, EBUSY,
			first->state == PROCESS_MAKING
				? "the first process of container '%s' is just being made"
				: "the first process of container '%s' has ended",
			container->id);
}

static int make(struct container *container, const struct oci_process *description,
		const Coracle__Agent__V1__CreateProcessRequest *request, struct rpc_call *call,
		struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_making_end};
	struct process *process = process_new(container, request->process_id, request->stdin);
	struct child child = {
		.spec = container->spec,
		.process = description,
		.root = container->root,
		.filter = container->filter,
		.filter_count = container->filter_count,
		.cgroup = container->cgroup,
		.join = container->first ? container->first->pidfd : -1,
		.stdio = {-1, -1, -1},
		.reaper = request->reaper,
		.rows = description->rows,
		.columns = description->columns,
	};
	int r;

	if (request->window && request->window->rows && request->window->columns) {
		child.rows = (uint16_t)MIN(request->window->rows, (uint32_t)UINT16_MAX);
		child.columns = (uint16_t)MIN(request->window->columns, (uint32_t)UINT16_MAX);
	}
	r = spawn(process, &child, err);
	if (!process->pid) {
		process_free(process, err);
		return r;
	}
	if (!container->first)
		container->first = process;
	process->making = call;
	rpc_call_listen(call, &events, process);
	r = r ?: watch_socket(process, err);
	/* Its end frees it. */
	if (r < 0) {
		process->failure = *err;
		kill(process->pid, SIGKILL);
	}
	return 0;
}

int process_make(struct container *container, const Coracle__Agent__V1__CreateProcessRequest *request,
		 struct rpc_call *call, struct cor_error *err)
{
	_cleanup_(oci_process_freep) struct oci_process *own = NULL;
	const struct oci_process *description = container->spec->process;
	int r = 0;

	if (!guest_id_valid(request->process_id))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no process id", request->process_id);
	if (process_find(container, request->process_id))
		return cor_fail(err, COR_EXISTS, EEXIST, "process '%s' exists already", request->process_id);
	if (request->process_json.len) {
		r = oci_process_parse((const char *)request->process_json.data, request->process_json.len,
				      &own, err);
		if (r < 0 && err->status == COR_CORRUPT)
			err->status = COR_INVALID;
		description = own;
	} else if (!description) {
		r = cor_fail(err, COR_INVALID, EINVAL, "config.json has no process, and none is given");
	}
	r = r ?: check_first(container, err);
	return r ?: make(container, description, request, call, err);
}

/* ---- starting, signals ---- */

int process_start(struct process *process, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_starting_end};
	int r;

	if (process->state != PROCESS_READY)
		return cor_fail(err, COR_BUSY, EBUSY,
				process->state == PROCESS_MAKING  ? "process '%s' is still being made"
				: process->state == PROCESS_ENDED ? "process '%s' has ended"
								  : "process '%s' was started already",
				process->id);
	r = child_go(process->socket);
	if (r < 0)
		return cor_fail(err, COR_BUSY, r, "process '%s' has ended", process->id);
	process->state = PROCESS_STARTING;
	process->starting = call;
	rpc_call_listen(call, &events, process);
	return 0;
}

int process_signal(const struct process *process, int number, struct cor_error *err)
{
	if (!process_alive(process))
		return cor_fail(err, COR_BUSY, ESRCH, "process '%s' has ended", process->id);
	if (syscall(SYS_pidfd_send_signal, process->pidfd, number, NULL, 0) < 0)
		return cor_fail_errno(err, errno, "signal %d to process '%s'", number, process->id);
	return 0;
}

/* ---- the end ---- */

static void fill_exit(struct process *process, int status)
{
	Coracle__Agent__V1__ExitStatus *exit = &process->exit;

	if (WIFSIGNALED(status))
		exit->signal = (uint32_t)WTERMSIG(status);
	exit->code = WIFSIGNALED(status) ? 128 + exit->signal : (uint32_t)WEXITSTATUS(status);
	/* A shell tells of its child's death by the same number. */
	exit->out_of_memory =
		exit->code == 128 + SIGKILL && container_oom_kills(process->container) > process->oom_kills;
	exit->exited_at_ns = clock_realtime_ns();
}

static void fail_making(struct process *process)
{
	struct cor_error failure = process->failure;

	if (failure.status == COR_OK && container_oom_kills(process->container) > process->oom_kills)
		cor_fail(&failure, COR_EXHAUSTED, ENOMEM,
			 "the container has too little memory for a process");
	else if (failure.status == COR_OK)
		cor_fail(&failure, COR_INTERNAL, ECHILD, "process '%s' ended before it was made",
			 process->id);
	answer_making(process, &failure);
	process_free(process, &failure);
}

bool process_reaped(struct container *container, pid_t pid, int status)
{
	struct process *process = process_find_pid(container, pid);

	if (!process)
		return false;
	hear(process);
	close_socket(process);
	if (process->state == PROCESS_MAKING) {
		process->state = PROCESS_ENDED;
		fail_making(process);
	} else {
		fill_exit(process, status);
		process->state = PROCESS_ENDED;
		answer_starting(process, NULL);
		answer_waiters(process);
		streams_process_ended(&process->streams, &process->exit);
	}
	container_process_ended(container);
	return true;
}

void process_free(struct process *process, const struct cor_error *reason)
{
	struct container *container = process->container;
	struct process **link = &container->processes;

	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	if (container->first == process)
		container->first = NULL;
	while (process->waiters) {
		struct waiter *waiter = process->waiters;

		process->waiters = waiter->next;
		rpc_call_listen(waiter->call, &(struct rpc_call_events){0}, NULL);
		rpc_call_finish(waiter->call, reason);
		free(waiter);
	}
	close_socket(process);
	close_fd(&process->pidfd);
	streams_close(&process->streams, reason);
	free(process->id);
	free(process);
}
