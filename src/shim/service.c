/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of coracle.shim.v1.Shim that have one answer, and the relay. A call whose answer comes later may be given up by its client meanwhile, so that what
 * remembers a call also hears of its end. */
#include "shim/shim.h"

#include "base/clock.h"
#include "shim/cost.h"
#include "shim/hub.h"
#include "shim/logs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define PROTOCOL 1u

/* ---- calls that wait ---- */

static void waiting_remove(struct waiting *waiting, const struct rpc_call *call)
{
	for (size_t i = 0; i < waiting->count; i++) {
		if (waiting->calls[i] != call)
			continue;
		waiting->calls[i] = waiting->calls[--waiting->count];
		return;
	}
}

static void on_waiting_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct shim *shim = user;

	waiting_remove(&shim->starts, call);
	waiting_remove(&shim->waits, call);
	waiting_remove(&shim->stops, call);
	shim_look_for_owner(shim);
	shim_call_ended(shim);
}

static int waiting_add(struct shim *shim, struct waiting *waiting, struct rpc_call *call,
		       struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_waiting_end};

	if (waiting->count == MAX_WAITING)
		return cor_fail(err, COR_EXHAUSTED, EAGAIN, "too many clients wait");
	waiting->calls[waiting->count++] = call;
	shim->open_calls++;
	rpc_call_listen(call, &events, shim);
	return 0;
}

/* ---- Hello and State ---- */

static int hello(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	static const char *const features[] = {"attach", "exec", "logs", "relay"};
	Coracle__Shim__V1__HelloResponse response = CORACLE__SHIM__V1__HELLO_RESPONSE__INIT;
	const Coracle__Shim__V1__HelloRequest *hello = (const void *)request;
	struct shim *shim = service;

	if (hello->protocol < 1)
		return cor_fail(err, COR_INVALID, EPROTO, "the protocol's versions begin with 1");
	response.protocol = MIN(hello->protocol, PROTOCOL);
	response.version = (char[]){CORACLE_VERSION};
	response.features = (char **)(uintptr_t)features;
	response.n_features = ARRAY_SIZE(features);
	response.container_id = shim->id;
	rpc_call_reply(call, &response.base);
	return 0;
}

void timings_fill(const struct shim *shim, struct timings_message *message)
{
	for (size_t i = 0; i < shim->timings.count; i++) {
		const struct timing *timing = &shim->timings.items[i];

		coracle__shim__v1__timing__init(&message->items[i]);
		message->items[i].stage = (char *)(uintptr_t)timing->stage;
		message->items[i].track = (char *)(uintptr_t)timing->track;
		message->items[i].began_ns = timing->began_ns;
		message->items[i].at_ns = timing->at_ns;
		message->list[i] = &message->items[i];
	}
}

static Coracle__Shim__V1__Status status_on_wire(const struct shim *shim)
{
	if (shim->stage == RUNNING)
		return CORACLE__SHIM__V1__STATUS__STATUS_RUNNING;
	return shim->stage < RUNNING ? CORACLE__SHIM__V1__STATUS__STATUS_BOOTING
				     : CORACLE__SHIM__V1__STATUS__STATUS_STOPPED;
}

static int state(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	Coracle__Shim__V1__StateResponse response = CORACLE__SHIM__V1__STATE_RESPONSE__INIT;
	Coracle__Agent__V1__ExitStatus status = CORACLE__AGENT__V1__EXIT_STATUS__INIT;
	struct shim *shim = service;
	struct timings_message timings;

	timings_fill(shim, &timings);
	exit_status_fill(shim, &status);
	response.status = status_on_wire(shim);
	response.shim_pid = (uint32_t)getpid();
	response.vmm_pid = shim->vm ? (uint32_t)shim->vm->pid : 0;
	response.accelerator = (char *)vm_accelerator_name(shim->accelerator.accelerator);
	response.accelerator_reason = shim->accelerator.reason;
	response.guest = shim->hello;
	response.exit = shim->stage >= ENDING ? &status : NULL;
	response.started_at_ns = shim->started_ns;
	response.timings = timings.list;
	response.n_timings = shim->timings.count;
	rpc_call_reply(call, &response.base);
	return 0;
}

/* ---- Start, Wait, Stop ---- */

static void answer_start(const struct shim *shim, struct rpc_call *call)
{
	Coracle__Shim__V1__StartResponse response = CORACLE__SHIM__V1__START_RESPONSE__INIT;
	struct timings_message timings;

	timings_fill(shim, &timings);
	response.pid = shim->process_pid;
	response.started_at_ns = shim->started_ns;
	response.timings = timings.list;
	response.n_timings = shim->timings.count;
	rpc_call_reply(call, &response.base);
}

void service_answer_starts(struct shim *shim)
{
	while (shim->starts.count) {
		struct rpc_call *call = shim->starts.calls[--shim->starts.count];

		if (shim->failure.status != COR_OK)
			rpc_call_finish(call, &shim->failure);
		else
			answer_start(shim, call);
	}
}

static int start(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	struct shim *shim = service;
	int r;

	shim->asked = true;
	shim->trace = shim->trace || ((const Coracle__Shim__V1__StartRequest *)request)->trace;
	/* It failed before anybody asked; who did has heard now, and waits for our end. */
	if (shim->failure.status != COR_OK && shim->stage == OVER) {
		shim->open_calls++;
		rpc_call_finish(call, &shim->failure);
		shim_call_ended(shim);
		return 0;
	}
	/* One that comes while a failure is cleaned up hears of it; one that comes after a run is too late for that one and too early for the next. */
	if ((shim->stage >= STARTING && (shim->stage != ENDING || shim->failure.status == COR_OK)) ||
	    shim->starts.count)
		return cor_fail(err, COR_BUSY, EBUSY, "container %.12s is running", shim->id);
	r = waiting_add(shim, &shim->starts, call, err);
	if (r == 0 && shim->stage == READY && shim->maintenance)
		service_answer_starts(shim);
	else if (r == 0 && shim->stage == READY)
		guest_start(shim);
	return r;
}

static void answer_wait(const struct shim *shim, struct rpc_call *call)
{
	Coracle__Agent__V1__ExitStatus status = CORACLE__AGENT__V1__EXIT_STATUS__INIT;

	exit_status_fill(shim, &status);
	rpc_call_reply(call, &status.base);
}

static int wait_for_end(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err)
{
	struct shim *shim = service;

	if (!shim->told)
		return waiting_add(shim, &shim->waits, call, err);
	answer_wait(shim, call);
	return 0;
}

static void answer_empty(struct rpc_call *call)
{
	Coracle__Shim__V1__Empty empty = CORACLE__SHIM__V1__EMPTY__INIT;

	rpc_call_reply(call, &empty.base);
}

static int stop(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	const Coracle__Shim__V1__StopRequest *stop = (const void *)request;
	struct shim *shim = service;
	int64_t timeout_ms = stop->timeout_ms;
	int r;

	if (stop->signal > 64)
		return cor_fail(err, COR_INVALID, EINVAL, "there is no signal %u", stop->signal);
	if (shim->stage == OVER) {
		answer_empty(call);
		return 0;
	}
	if (timeout_ms < 0)
		timeout_ms =
			shim->record.stop_timeout_s < 0 ? -1 : shim->record.stop_timeout_s * INT64_C(1000);
	r = waiting_add(shim, &shim->stops, call, err);
	if (r == 0)
		shim_stop(shim, stop->signal ? (int)stop->signal : shim->record.stop_signal, timeout_ms);
	return r;
}

void service_answer_all(struct shim *shim)
{
	service_answer_starts(shim);
	while (shim->waits.count)
		answer_wait(shim, shim->waits.calls[--shim->waits.count]);
	while (shim->stage == OVER && shim->stops.count)
		answer_empty(shim->stops.calls[--shim->stops.count]);
}

/* ---- questions that the guest answers ---- */

struct question {
	struct shim *shim;
	struct rpc_call *call; /* NULL once its client gave up */
	void (*answer)(struct shim *shim, struct rpc_call *call, const ProtobufCMessage *response);
	bool kills; /* whatever the answer: the process's end or the machine's comes soon */
	bool answered;
};

static void on_question_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct question *question = user;
	struct shim *shim = question->shim;

	question->call = NULL;
	if (question->answered)
		free(question);
	shim_call_ended(shim);
}

static void refuse(const struct question *question, struct cor_error err)
{
	explain_silence(question->shim, &err);
	rpc_call_finish(question->call, &err);
}

static void on_answer(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct question *question = user;

	question->answered = true;
	if (!question->call)
		free(question);
	else if (response)
		question->answer(question->shim, question->call, response);
	else if (question->kills)
		answer_empty(question->call);
	else
		refuse(question, *status);
}

static int ask(struct question asked, const char *path, const ProtobufCMessage *request,
	       const ProtobufCMessageDescriptor *type, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_question_end};
	struct shim *shim = asked.shim;
	struct question *question;
	int r;

	if (shim->stage != RUNNING || !shim->guest)
		return cor_fail(err, COR_BUSY, ENOTCONN, "container %.12s is not running", shim->id);
	question = xcalloc(1, sizeof(*question));
	*question = asked;
	r = rpc_call_unary(shim->guest, path, request, type, ASK_TIMEOUT_MS, on_answer, question, err);
	if (r < 0) {
		free(question);
		return r;
	}
	shim->open_calls++;
	rpc_call_listen(asked.call, &events, question);
	return 0;
}

static void on_empty(struct shim *shim, struct rpc_call *call, const ProtobufCMessage *response)
{
	answer_empty(call);
}

static char *process_or_first(char *id)
{
	static char first[] = FIRST_PROCESS;

	return *id ? id : first;
}

static int signal_process(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			  struct cor_error *err)
{
	Coracle__Agent__V1__SignalProcessRequest question = CORACLE__AGENT__V1__SIGNAL_PROCESS_REQUEST__INIT;
	const Coracle__Shim__V1__SignalRequest *signal = (const void *)request;
	struct shim *shim = service;
	bool kills;
	int r;

	question.container_id = shim->id;
	question.process_id = process_or_first(signal->process_id);
	question.signal = signal->signal;
	question.all = signal->all;
	kills = signal->signal == SIGKILL && (signal->all || str_equal(question.process_id, FIRST_PROCESS));
	r = ask((struct question){.shim = shim, .call = call, .answer = on_empty, .kills = kills},
		AGENT("SignalProcess"), &question.base, &coracle__agent__v1__empty__descriptor, err);
	/* A guest that does not even do this loses its machine. */
	if (r == 0 && kills)
		shim_stop(shim, SIGKILL, 0);
	return r;
}

static int resize(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		  struct cor_error *err)
{
	Coracle__Agent__V1__ResizeProcessRequest question = CORACLE__AGENT__V1__RESIZE_PROCESS_REQUEST__INIT;
	const Coracle__Shim__V1__ResizeRequest *resize = (const void *)request;
	struct shim *shim = service;

	question.container_id = shim->id;
	question.process_id = process_or_first(resize->process_id);
	question.window = resize->window;
	return ask((struct question){.shim = shim, .call = call, .answer = on_empty}, AGENT("ResizeProcess"),
		   &question.base, &coracle__agent__v1__empty__descriptor, err);
}

/* ---- Statistics ---- */

static void on_statistics(struct shim *shim, struct rpc_call *call, const ProtobufCMessage *guest)
{
	Coracle__Shim__V1__StatisticsResponse response = CORACLE__SHIM__V1__STATISTICS_RESPONSE__INIT;
	struct cost cost;

	cost_measure(&cost);
	response.guest = (Coracle__Agent__V1__Statistics *)guest;
	response.host_cpu_ns = cost.cpu_ns;
	response.host_memory_bytes = cost.memory;
	response.host_private_bytes = cost.private;
	response.at_ns = clock_monotonic_ns();
	rpc_call_reply(call, &response.base);
}

static int statistics(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err)
{
	Coracle__Agent__V1__ContainerRef question = CORACLE__AGENT__V1__CONTAINER_REF__INIT;
	struct shim *shim = service;

	question.container_id = shim->id;
	return ask((struct question){.shim = shim, .call = call, .answer = on_statistics},
		   AGENT("GetStatistics"), &question.base, &coracle__agent__v1__statistics__descriptor, err);
}

/* ---- the relay ---- */

/* Those that last as long as a process, or as a client takes for its data. */
static bool may_last(const char *method)
{
	static const char *const names[] = {"WaitProcess", "AttachProcess", "ReadFile",    "WriteFile",
					    "StatPath",    "SendTree",      "ReceiveTree", "FreezeContainer",
					    "Listen",      "Relay"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_equal(method, names[i]))
			return true;
	return false;
}

int service_relay(void *context, struct rpc_call *call, const char *path, struct cor_error *err)
{
	const char *method = str_after(path, AGENT(""));
	struct shim *shim = context;

	if (!method)
		return cor_fail(err, COR_UNSUPPORTED, ENOSYS, "there is no method %s here", path);
	if (!shim->guest)
		return cor_fail(err, COR_UNAVAILABLE, ENOTCONN,
				"the guest of container %.12s does not answer %s", shim->id,
				shim->stage < READY ? "yet" : "any more");
	return rpc_relay(call, shim->guest, path, may_last(method) ? RPC_NO_DEADLINE : CALL_TIMEOUT_MS, err);
}

#define UNARY(method, type, answer, function)                                                                \
	{                                                                                                    \
		.name = method, .request = &coracle__shim__v1__##type##__descriptor,                         \
		.response = &answer##__descriptor, .max_request = 65536, .unary = function                   \
	}
#define STREAM(method, type, answer, function)                                                               \
	{                                                                                                    \
		.name = method, .request = &coracle__shim__v1__##type##__descriptor,                         \
		.response = &answer##__descriptor, .client_streams = true, .stream = function                \
	}

const struct rpc_method shim_methods[] = {
	UNARY("Hello", hello_request, coracle__shim__v1__hello_response, hello),
	UNARY("State", empty, coracle__shim__v1__state_response, state),
	UNARY("Start", start_request, coracle__shim__v1__start_response, start),
	STREAM("Attach", attach_request, coracle__shim__v1__attach_response, hub_attach),
	STREAM("Exec", exec_request, coracle__shim__v1__attach_response, exec_begin),
	UNARY("Signal", signal_request, coracle__shim__v1__empty, signal_process),
	UNARY("Resize", resize_request, coracle__shim__v1__empty, resize),
	UNARY("Wait", empty, coracle__agent__v1__exit_status, wait_for_end),
	UNARY("Stop", stop_request, coracle__shim__v1__empty, stop),
	UNARY("Logs", logs_request, coracle__shim__v1__log_entry, logs_begin),
	UNARY("Statistics", empty, coracle__shim__v1__statistics_response, statistics),
	UNARY("Mailbox", empty, coracle__shim__v1__mailbox_response, mailbox_tell),
};
const size_t shim_method_count = ARRAY_SIZE(shim_methods);
