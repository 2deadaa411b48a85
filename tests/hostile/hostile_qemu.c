/* SPDX-License-Identifier: Apache-2.0 */
/* hostile-qemu: stands in QEMU's place and plays QEMU and guest at once, as one that has been taken over. No machine runs (but for the kinds kvm-*). What it does wrong, a kernel argument
 * says ("hostile=KIND"), since it gets no environment; all else it does right, as far as a shim can see. */
#include "hostile_share.h"

#include "rpc/handshake.h"
#include "rpc/rpc.h"

#include "agent.pb-c.h"
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define FIRST "init"

struct guest {
	uv_loop_t loop;
	struct rpc_conn *conn;
	const char *kind;
	int agent, console, control;
	struct rpc_call *first, *further; /* AttachProcess */
	uv_idle_t flood;
};

static bool is(const struct guest *guest, const char *kind)
{
	return str_equal(guest->kind, kind);
}

static void answer(struct rpc_call *call)
{
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;

	rpc_call_reply(call, &empty.base);
}

/* ---- unary calls ---- */

static int hello(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	Coracle__Agent__V1__HelloResponse response = CORACLE__AGENT__V1__HELLO_RESPONSE__INIT;
	static char large[3 << 20];
	struct guest *guest = service;

	response.protocol = 1;
	if (is(guest, "large-hello")) {
		memset(large, 'x', sizeof(large) - 1);
		response.kernel = large;
	}
	rpc_call_reply(call, &response.base);
	return 0;
}

static int fine(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	answer(call);
	return 0;
}

static int create_container(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			    struct cor_error *err)
{
	if (is(service, "escapes"))
		return cor_fail(err, COR_INVALID, EINVAL,
				"\x1b[2Jcleared \xc2\x9b"
				"31mred \a\r\nsecond line");
	answer(call);
	return 0;
}

static int create_process(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			  struct cor_error *err)
{
	Coracle__Agent__V1__CreateProcessResponse response =
		CORACLE__AGENT__V1__CREATE_PROCESS_RESPONSE__INIT;

	response.pid = UINT32_MAX;
	rpc_call_reply(call, &response.base);
	return 0;
}

static void send_exit(struct rpc_call *call, uint32_t code, uint32_t number)
{
	Coracle__Agent__V1__AttachProcessResponse response =
		CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__INIT;
	Coracle__Agent__V1__ExitStatus status = CORACLE__AGENT__V1__EXIT_STATUS__INIT;

	status.code = code;
	status.signal = number;
	status.exited_at_ns = INT64_MIN;
	response.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_EXIT;
	response.exit = &status;
	rpc_call_send_message(call, &response.base);
	rpc_call_finish(call, NULL);
}

static void on_flood(uv_idle_t *idle)
{
	struct guest *guest = idle->data;
	static uint8_t text[65536];
	Coracle__Agent__V1__AttachProcessResponse response =
		CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__INIT;

	memset(text, 'y', sizeof(text));
	if (!guest->first || rpc_call_queued(guest->first) > RPC_HIGH_WATER)
		return;
	response.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_STDOUT;
	response.stdout = (ProtobufCBinaryData){.data = text, .len = sizeof(text)};
	rpc_call_send_message(guest->first, &response.base);
}

static void first_started(struct guest *guest)
{
	struct cor_error err;

	if (is(guest, "flood"))
		uv_idle_start(&guest->flood, on_flood);
	else if (is(guest, "exit-status"))
		send_exit(guest->first, UINT32_MAX, UINT32_MAX);
	else if (is(guest, "deathless"))
		send_exit(guest->first, 3, 0);
	else if (is(guest, "malformed"))
		rpc_call_send(guest->first, "\x0a\x7f", 2);
	else if (is(guest, "reset"))
		cor_fail(&err, COR_UNAVAILABLE, EIO, "lost"), rpc_call_finish(guest->first, &err);
}

static int start_process(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			 struct cor_error *err)
{
	const Coracle__Agent__V1__ProcessRef *ref = (const void *)request;
	struct guest *guest = service;

	if (str_equal(ref->process_id, FIRST)) {
		answer(call);
		first_started(guest);
		return 0;
	}
	if (is(guest, "exec-lost") && guest->further)
		rpc_call_finish(guest->further, NULL);
	answer(call);
	return 0;
}

static int wait_process(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err)
{
	Coracle__Agent__V1__ExitStatus status = CORACLE__AGENT__V1__EXIT_STATUS__INIT;

	status.code = 9;
	rpc_call_reply(call, &status.base);
	return 0;
}

static int shutdown_guest(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			  struct cor_error *err)
{
	answer(call);
	if (!is(service, "deathless"))
		exit(0);
	return 0;
}

/* ---- streams ---- */

static void on_attach(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	static const uint8_t attached[] = {4 << 3 | 2, 0};
	struct guest *guest = user;
	Coracle__Agent__V1__AttachProcessRequest *request =
		(void *)rpc_decode(&coracle__agent__v1__attach_process_request__descriptor, data, size, NULL);
	bool first = request && request->process && str_equal(request->process->process_id, FIRST);

	if (!request || !request->process)
		return;
	*(first ? &guest->first : &guest->further) = call;
	if (is(guest, first ? "no-streams" : "exec-no-streams"))
		rpc_call_finish(call, NULL);
	else if (!is(guest, first ? "silent-streams" : "exec-silent"))
		rpc_call_send(call, attached, sizeof(attached));
	protobuf_c_message_free_unpacked(&request->base, NULL);
}

static void on_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct guest *guest = user;

	if (guest->first == call)
		guest->first = NULL;
	if (guest->further == call)
		guest->further = NULL;
}

static int attach(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_attach, .on_end = on_end};

	rpc_call_listen(call, &events, service);
	return 0;
}

#define UNARY(called, type, answered, function)                                                              \
	{                                                                                                    \
		.name = called, .request = &coracle__agent__v1__##type##__descriptor,                        \
		.response = &coracle__agent__v1__##answered##__descriptor, .unary = function                 \
	}

static const struct rpc_method methods[] = {
	UNARY("Hello", hello_request, hello_response, hello),
	UNARY("AddEntropy", add_entropy_request, empty, fine),
	UNARY("SetTime", set_time_request, empty, fine),
	UNARY("CreateContainer", create_container_request, empty, create_container),
	UNARY("CreateProcess", create_process_request, create_process_response, create_process),
	UNARY("StartProcess", process_ref, empty, start_process),
	UNARY("SignalProcess", signal_process_request, empty, fine),
	UNARY("WaitProcess", process_ref, exit_status, wait_process),
	UNARY("DeleteProcess", process_ref, empty, fine),
	UNARY("Shutdown", shutdown_request, empty, shutdown_guest),
	{.name = "AttachProcess", .client_streams = true, .stream = attach},
};

/* ---- before there is a guest ---- */

/* The descriptor of "socket,id=NAME,fd=N" among the arguments. */
static int find_fd(char **argv, const char *name)
{
	_free_ char *prefix = str_format("socket,id=%s,fd=", name);

	for (; *argv; argv++)
		if (str_after(*argv, prefix))
			return atoi(str_after(*argv, prefix));
	exit(2);
}

static const char *find_kind(char **argv)
{
	for (; *argv; argv++)
		if (strstr(*argv, "hostile="))
			return strstr(*argv, "hostile=") + strlen("hostile=");
	exit(2);
}

/* One that is of no use under KVM: silent, or gone at once. Under TCG it is the real one. */
static _Noreturn void without_kvm(const struct guest *guest, char **argv)
{
	bool kvm = false;

	for (char **arg = argv; *arg; arg++)
		kvm |= str_equal(*arg, "kvm");
	if (kvm && is(guest, "kvm-gone")) {
		fputs("qemu: failed to initialize kvm\n", stderr);
		exit(1);
	}
	while (kvm)
		pause();
	execvp(argv[0], argv);
	perror(argv[0]);
	exit(1);
}

static _Noreturn void say_for_ever(int fd, const char *text)
{
	signal(SIGPIPE, SIG_DFL);
	for (;;)
		if (write(fd, text, strlen(text)) < 0 && errno != EAGAIN && errno != EINTR)
			exit(1);
}

static void shake_hands(const struct guest *guest)
{
	struct handshake_guest handshake = {0};
	uint8_t data[4096], reply[HANDSHAKE_REPLY_SIZE];
	size_t used;
	ssize_t n;

	do {
		n = read(guest->agent, data, sizeof(data));
		if (n <= 0)
			exit(1);
	} while (!handshake_guest_feed(&handshake, data, (size_t)n, &used, reply));
	if (write(guest->agent, reply, sizeof(reply)) != sizeof(reply))
		exit(1);
}

int main(int argc, char **argv)
{
	static struct guest guest;
	static struct rpc_service service = {.name = "coracle.agent.v1.Agent",
					     .methods = methods,
					     .method_count = ARRAY_SIZE(methods),
					     .context = &guest};
	static const struct rpc_server_options options = {.services = &service, .service_count = 1};

	guest.kind = find_kind(argv);
	guest.agent = find_fd(argv, "agent");
	guest.console = find_fd(argv, "console");
	guest.control = find_fd(argv, "control");
	if (str_after(guest.kind, "kvm-"))
		without_kvm(&guest, argv);
	if (is(&guest, "noise"))
		say_for_ever(guest.agent, "\xc1"
					  "corok\r\nno handshake \xc1"
					  "corok");
	if (is(&guest, "messages"))
		say_for_ever(2, "qemu: the guest misuses a device \x1b[2J\n");
	if (is(&guest, "control"))
		say_for_ever(guest.control, "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 1}}\n");
	if (is(&guest, "console"))
		say_for_ever(guest.console, "Kernel panic - not syncing: \x1b[2J\n");
	if (is(&guest, "share")) {
		hostile_share(find_fd(argv, "share0"), guest.console);
		return 1;
	}
	if (is(&guest, "last-words")) {
		fputs("qemu: \x1b[2Jcannot go on\n", stderr);
		return 1;
	}
	shake_hands(&guest);
	uv_loop_init(&guest.loop);
	uv_idle_init(&guest.loop, &guest.flood);
	guest.flood.data = &guest;
	if (rpc_serve(&guest.loop, guest.agent, &options, &guest.conn, NULL) < 0)
		return 1;
	return uv_run(&guest.loop, UV_RUN_DEFAULT);
}
