/* SPDX-License-Identifier: Apache-2.0 */
/* From messages to processes and back. */
#include "init/process_calls.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/process.h"

#include <errno.h>
#include <signal.h>

#define COMMAND_MAX   256u  /* bytes of a command line that are told */
#define PROCESSES_MAX 8192u /* that are listed */

static struct process *find(struct guest *guest, const char *container_id, const char *id,
			    struct cor_error *err)
{
	struct container *container = container_find(guest, container_id, err);
	struct process *process = container ? process_find(container, id) : NULL;

	if (container && !process)
		cor_fail(err, COR_NOT_FOUND, ESRCH, "container '%s' has no process '%.64s'", container->id,
			 id);
	return process;
}

static struct process *find_ref(struct guest *guest, const Coracle__Agent__V1__ProcessRef *ref,
				struct cor_error *err)
{
	return find(guest, ref->container_id, ref->process_id, err);
}

int process_create_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
			struct cor_error *err)
{
	const Coracle__Agent__V1__CreateProcessRequest *request = (const void *)message;
	struct container *container = container_find(service, request->container_id, err);

	return container ? process_make(container, request, call, err) : -ENOENT;
}

int process_start_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		       struct cor_error *err)
{
	struct process *process = find_ref(service, (const void *)message, err);

	return process ? process_start(process, call, err) : -ENOENT;
}

/* ---- signals ---- */

static int signal_all(const struct container *container, int number, struct cor_error *err)
{
	_free_ pid_t *pids = NULL;
	size_t count = 0;
	int r;

	if (number == SIGKILL)
		r = cgroup_kill(container->cgroup);
	else
		r = cgroup_processes(container->cgroup, &pids, &count);
	/* One that ends meanwhile needs no signal; its number stays taken until we reap, or its parent in the container does. */
	for (size_t i = 0; i < count; i++)
		kill(pids[i], number);
	return r < 0 ? cor_fail_errno(err, r, "the processes of container '%s'", container->id) : 0;
}

int process_signal_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
			struct cor_error *err)
{
	const Coracle__Agent__V1__SignalProcessRequest *request = (const void *)message;
	struct process *process;
	struct container *container;
	int r;

	if (request->signal < 1 || request->signal >= NSIG)
		return cor_fail(err, COR_INVALID, EINVAL, "there is no signal %u", request->signal);
	if (request->all) {
		container = container_find(service, request->container_id, err);
		r = container ? signal_all(container, (int)request->signal, err) : -ENOENT;
	} else {
		process = find(service, request->container_id, request->process_id, err);
		r = process ? process_signal(process, (int)request->signal, err) : -ENOENT;
	}
	if (r == 0)
		guest_reply_empty(call);
	return r;
}

/* ---- waiting ---- */

static void on_wait_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct waiter *waiter = user, **link = &waiter->process->waiters;

	while (*link != waiter)
		link = &(*link)->next;
	*link = waiter->next;
	free(waiter);
}

int process_wait_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		      struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_wait_end};
	struct process *process = find_ref(service, (const void *)message, err);
	struct waiter *waiter;

	if (!process)
		return -ESRCH;
	if (!process_alive(process)) {
		rpc_call_reply(call, &process->exit.base);
		return 0;
	}
	waiter = xcalloc(1, sizeof(*waiter));
	*waiter = (struct waiter){.next = process->waiters, .process = process, .call = call};
	process->waiters = waiter;
	rpc_call_listen(call, &events, waiter);
	return 0;
}

int process_resize_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
			struct cor_error *err)
{
	const Coracle__Agent__V1__ResizeProcessRequest *request = (const void *)message;
	struct process *process = find(service, request->container_id, request->process_id, err);
	int r;

	if (!process)
		return -ESRCH;
	if (!request->window)
		return cor_fail(err, COR_INVALID, EINVAL, "no window size is given");
	r = streams_resize(&process->streams, request->window->rows, request->window->columns);
	if (r < 0)
		return cor_fail(err, COR_BUSY, r, "process '%s' has no terminal", process->id);
	guest_reply_empty(call);
	return 0;
}

int process_delete_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
			struct cor_error *err)
{
	struct process *process = find_ref(service, (const void *)message, err);
	struct cor_error reason;

	if (!process)
		return -ESRCH;
	if (process_alive(process))
		return cor_fail(err, COR_BUSY, EBUSY, "process '%s' has not ended", process->id);
	cor_fail(&reason, COR_CANCELLED, ECANCELED, "the process was deleted");
	process_free(process, &reason);
	guest_reply_empty(call);
	return 0;
}

/* ---- listing ---- */

/* The command line in one piece, or the name of a kernel's thread or of one that has ended. */
static char *read_command(pid_t pid)
{
	_free_ char *path = str_format("/proc/%d/cmdline", pid);
	char *text = NULL;
	size_t size = 0;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, &size) < 0 || !size) {
		free(text);
		return xstrdup("");
	}
	size = MIN(size, (size_t)COMMAND_MAX);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 0x7f)
			text[i] = ' ';
	while (size && text[size - 1] == ' ')
		size--;
	text[size] = '\0';
	return text;
}

/* The fourth field of /proc/PID/stat; the second is in brackets and may hold anything. */
static uint32_t read_parent(pid_t pid)
{
	_free_ char *path = str_format("/proc/%d/stat", pid), *text = NULL;
	const char *end;
	char state;
	unsigned parent = 0;

	if (file_read(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return 0;
	end = strrchr(text, ')');
	return end && sscanf(end + 1, " %c %u", &state, &parent) == 2 ? parent : 0;
}

int process_list_call(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		      struct cor_error *err)
{
	const Coracle__Agent__V1__ContainerRef *request = (const void *)message;
	struct container *container = container_find(service, request->container_id, err);
	Coracle__Agent__V1__ListProcessesResponse response =
		CORACLE__AGENT__V1__LIST_PROCESSES_RESPONSE__INIT;
	_free_ Coracle__Agent__V1__ListProcessesResponse__Process *items = NULL;
	_free_ Coracle__Agent__V1__ListProcessesResponse__Process **pointers = NULL;
	_free_ pid_t *pids = NULL;
	char nobody[] = "";
	size_t count = 0;
	int r;

	if (!container)
		return -ENOENT;
	r = cgroup_processes(container->cgroup, &pids, &count);
	if (r < 0)
		return cor_fail_errno(err, r, "the processes of container '%s'", container->id);
	count = MIN(count, (size_t)PROCESSES_MAX);
	items = xcalloc(count + 1, sizeof(*items));
	pointers = xcalloc(count + 1, sizeof(*pointers));
	for (size_t i = 0; i < count; i++) {
		const struct process *process = process_find_pid(container, pids[i]);

		coracle__agent__v1__list_processes_response__process__init(&items[i]);
		items[i].process_id = process ? process->id : nobody;
		items[i].pid = (uint32_t)pids[i];
		items[i].command = read_command(pids[i]);
		items[i].parent = read_parent(pids[i]);
		pointers[i] = &items[i];
	}
	response.n_processes = count;
	response.processes = pointers;
	rpc_call_reply(call, &response.base);
	for (size_t i = 0; i < count; i++)
		free(items[i].command);
	return 0;
}

/* ---- streams ---- */

static void on_stream_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct process *process = user;
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__attach_process_request__descriptor, data, size, &err);

	if (!message) {
		rpc_call_finish(call, &err);
		return;
	}
	streams_request(&process->streams, (const void *)message);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void on_stream_half_close(struct rpc_call *call, void *user)
{
	streams_half_close(&((struct process *)user)->streams);
}

static void on_stream_writable(struct rpc_call *call, void *user)
{
	streams_writable(&((struct process *)user)->streams);
}

static void on_stream_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	streams_detach(&((struct process *)user)->streams);
}

static int attach(struct guest *guest, struct rpc_call *call, const ProtobufCMessage *message,
		  struct cor_error *err)
{
	static const struct rpc_call_events events = {
		.on_message = on_stream_message,
		.on_half_close = on_stream_half_close,
		.on_writable = on_stream_writable,
		.on_end = on_stream_end,
	};
	const Coracle__Agent__V1__AttachProcessRequest *request = (const void *)message;
	struct process *process;

	if (request->kind_case != CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_PROCESS ||
	    !request->process)
		return cor_fail(err, COR_INVALID, EINVAL,
				"the first request of AttachProcess must name the process");
	process = find_ref(guest, request->process, err);
	if (!process)
		return -ESRCH;
	if (process->state == PROCESS_MAKING)
		return cor_fail(err, COR_BUSY, EBUSY, "process '%s' is still being made", process->id);
	rpc_call_listen(call, &events, process);
	streams_attach(&process->streams, call);
	return 0;
}

static void on_first_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct cor_error err;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__attach_process_request__descriptor, data, size, &err);

	if (!message || attach(user, call, message, &err) < 0)
		rpc_call_finish(call, &err);
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

static void on_no_message(struct rpc_call *call, void *user)
{
	struct cor_error err;

	cor_fail(&err, COR_INVALID, EPROTO, "AttachProcess without a request");
	rpc_call_finish(call, &err);
}

int process_attach_call(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_first_message,
						      .on_half_close = on_no_message};

	rpc_call_listen(call, &events, service);
	return 0;
}
