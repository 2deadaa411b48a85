/* SPDX-License-Identifier: Apache-2.0 */
/* boot-guest KERNEL INITRAMFS [SOCKET [SERIAL=FILE ...]]: boots a machine with QEMU's translator, speaks coracle.agent.v1 with its first process through the virtio-serial port, and shuts
 * it down. Prints what it learned, one "key: value" a line; exit status 0 only if every step went as it must, the reconnection in
 * the middle of a frame too. With SOCKET it relays the guest's API to whoever connects there, until its standard input ends or SIGTERM comes; SIGUSR1 makes it reconnect; each FILE is a
 * raw disk of that serial number. */
#include "rpc/handshake.h"
#include "rpc/rpc.h"

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SERVICE    "/coracle.agent.v1.Agent/"
#define TIMEOUT_MS 30000

struct guest {
	uv_loop_t loop;
	struct rpc_conn *conn;
	int fd;
	pid_t vmm;
	uint8_t secret[HANDSHAKE_SECRET_SIZE];
};

static int fail(const char *what, const struct cor_error *err)
{
	fprintf(stderr, "boot-guest: %s: %s\n", what, err ? err->msg : strerror(errno));
	return 1;
}

/* The rate of the host's time stamp counter, which the guest cannot measure under emulation. */
static unsigned long tsc_khz(void)
{
	_file_ FILE *file = fopen("/proc/cpuinfo", "re");
	char line[4096];
	double mhz = 0;

	while (file && mhz == 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu MHz : %lf", &mhz) != 1)
			mhz = 0;
	return (unsigned long)(mhz * 1000);
}

/* Each "SERIAL=FILE". */
static void add_disks(struct strv *args, char *const *disks)
{
	for (unsigned i = 0; disks[i]; i++) {
		int length = (int)strcspn(disks[i], "=");

		strv_add(args, "-drive");
		strv_addf(args, "if=none,id=disk%u,format=raw,file=%s", i, disks[i] + length + 1);
		strv_add(args, "-device");
		strv_addf(args, "virtio-blk-device,drive=disk%u,serial=%.*s", i, length, disks[i]);
	}
}

static int start_vmm(struct guest *guest, const char *kernel, const char *initramfs, char *const *disks)
{
	static const char *const fixed[] = {"qemu-system-x86_64",
					    "-machine",
					    "microvm,acpi=off,isa-serial=on",
					    "-accel",
					    "tcg,thread=multi",
					    "-cpu",
					    "max,svm=off,erms=off,fsrm=off",
					    "-m",
					    "256",
					    "-no-reboot",
					    "-nodefaults",
					    "-no-user-config",
					    "-display",
					    "none",
					    "-global",
					    "virtio-mmio.force-legacy=false",
					    "-device",
					    "virtio-serial-device",
					    "-device",
					    "virtserialport,chardev=agent,name=coracle.agent",
					    "-netdev",
					    "hubport,id=net,hubid=0",
					    "-device",
					    "virtio-net-device,netdev=net,mac=52:54:00:12:34:56",
					    "-device",
					    "virtio-rng-device",
					    "-chardev",
					    "file,id=console,path=/dev/stderr,append=on",
					    "-serial",
					    "chardev:console"};
	_strv_ struct strv args = {0};
	_free_ char *command_line =
		str_format("console=ttyS0 loglevel=3 panic=-1 reboot=t acpi=off "
			   "lpj=1500000 no_timer_check apic_timer_khz=1000000 tsc=reliable tsc_early_khz=%lu",
			   tsc_khz());
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return fail("socketpair", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		strv_add(&args, fixed[i]);
	strv_add(&args, "-kernel");
	strv_add(&args, kernel);
	strv_add(&args, "-initrd");
	strv_add(&args, initramfs);
	strv_add(&args, "-append");
	strv_add(&args, command_line);
	strv_add(&args, "-chardev");
	strv_addf(&args, "socket,id=agent,fd=%d", fds[1]);
	add_disks(&args, disks);
	guest->fd = fds[0];
	guest->vmm = fork();
	if (guest->vmm == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(fds[1], F_SETFD, 0);
		execvp(args.items[0], args.items);
		_exit(127);
	}
	close(fds[1]);
	return guest->vmm < 0 ? fail("fork", NULL) : 0;
}

/* A fresh session; the descriptor stays ours, each connection gets a duplicate. Blocks. */
static int connect_guest(struct guest *guest)
{
	struct handshake_host host;
	struct cor_error err;
	uint8_t data[1];
	size_t used;
	int flags = fcntl(guest->fd, F_GETFL);

	fcntl(guest->fd, F_SETFL, flags & ~O_NONBLOCK);
	if (handshake_host_init(&host, guest->secret) < 0 ||
	    write(guest->fd, host.hello, sizeof(host.hello)) != sizeof(host.hello))
		return fail("hello", NULL);
	/* One byte at a time, so that nothing of HTTP/2 is taken. */
	do
		if (read(guest->fd, data, 1) != 1)
			return fail("the guest ended before it answered", NULL);
	while (!handshake_host_feed(&host, data, 1, &used));
	if (rpc_connect(&guest->loop, fcntl(guest->fd, F_DUPFD_CLOEXEC, 0), NULL, &guest->conn, &err) < 0)
		return fail("connect", &err);
	return 0;
}

static int call(struct guest *guest, const char *path, const ProtobufCMessage *request,
		const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	struct cor_error err = {0};

	return rpc_call_sync(guest->conn, path, request, type, TIMEOUT_MS, ret, &err) < 0 ? fail(path, &err)
											  : 0;
}

static int call_empty(struct guest *guest, const char *path, const ProtobufCMessage *request)
{
	ProtobufCMessage *response = NULL;
	int r = call(guest, path, request, &coracle__agent__v1__empty__descriptor, &response);

	if (response)
		protobuf_c_message_free_unpacked(response, NULL);
	return r;
}

static int say_hello(struct guest *guest, bool print)
{
	Coracle__Agent__V1__HelloRequest request = CORACLE__AGENT__V1__HELLO_REQUEST__INIT;
	Coracle__Agent__V1__HelloResponse *hello;
	char client[] = "boot-guest";
	ProtobufCMessage *response = NULL;

	request.protocol = 1;
	request.client = client;
	if (call(guest, SERVICE "Hello", &request.base, &coracle__agent__v1__hello_response__descriptor,
		 &response))
		return 1;
	hello = (Coracle__Agent__V1__HelloResponse *)response;
	if (print)
		printf("guest kernel: %s\nguest init: coracle-init %s\nsince the guest's boot: %llu ms\n",
		       hello->kernel, hello->version, (unsigned long long)(hello->boot_ns / 1000000));
	protobuf_c_message_free_unpacked(response, NULL);
	return 0;
}

/* Leaves a frame half sent and goes away; a new session must not notice. */
static int reconnect(struct guest *guest)
{
	static const uint8_t half_a_frame[] = {0, 64, 0, 0, 0, 0, 0, 0, 1, 'x'};

	rpc_conn_free(guest->conn);
	guest->conn = NULL;
	if (write(guest->fd, half_a_frame, sizeof(half_a_frame)) != sizeof(half_a_frame))
		return fail("write", NULL);
	return connect_guest(guest);
}

static int give_time_and_entropy(struct guest *guest)
{
	Coracle__Agent__V1__SetTimeRequest set_time = CORACLE__AGENT__V1__SET_TIME_REQUEST__INIT;
	Coracle__Agent__V1__AddEntropyRequest entropy = CORACLE__AGENT__V1__ADD_ENTROPY_REQUEST__INIT;
	uint8_t bytes[64];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return fail("getrandom", NULL);
	set_time.realtime_ns = clock_realtime_ns();
	entropy.data = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
	return call_empty(guest, SERVICE "SetTime", &set_time.base) ||
	       call_empty(guest, SERVICE "AddEntropy", &entropy.base);
}

/* A wrong call must give the right status. */
static int expect_refusal(struct guest *guest)
{
	Coracle__Agent__V1__AddEntropyRequest nothing = CORACLE__AGENT__V1__ADD_ENTROPY_REQUEST__INIT;
	ProtobufCMessage *response = NULL;
	struct cor_error err = {0};

	if (rpc_call_sync(guest->conn, SERVICE "AddEntropy", &nothing.base,
			  &coracle__agent__v1__empty__descriptor, TIMEOUT_MS, &response, &err) == 0 ||
	    err.status != COR_INVALID)
		return fail("a wrong call was not refused", &err);
	printf("a wrong call: %s\n", err.msg);
	return 0;
}

static int shut_down(struct guest *guest)
{
	Coracle__Agent__V1__ShutdownRequest shutdown = CORACLE__AGENT__V1__SHUTDOWN_REQUEST__INIT;
	int status;

	if (call_empty(guest, SERVICE "Shutdown", &shutdown.base))
		return 1;
	if (waitpid(guest->vmm, &status, 0) != guest->vmm || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail("the machine did not end by itself", NULL);
	return 0;
}

/* ---- relaying ---- */

static int relay_call(void *context, struct rpc_call *incoming, const char *path, struct cor_error *err)
{
	return rpc_relay(incoming, ((struct guest *)context)->conn, path, RPC_NO_DEADLINE, err);
}

static void on_input_end(uv_poll_t *poll, int status, int events)
{
	char byte;

	if (read(STDIN_FILENO, &byte, 1) <= 0)
		uv_stop(poll->loop);
}

/* The host goes away in the middle of a frame and comes back; calls that are relayed end. */
static void on_reconnect_signal(uv_signal_t *watcher, int number)
{
	struct guest *guest = watcher->data;

	if (reconnect(guest))
		exit(1);
	puts("reconnected");
	fflush(stdout);
}

static void on_stop_signal(uv_signal_t *watcher, int number)
{
	uv_stop(watcher->loop);
}

static int serve(struct guest *guest, const char *path)
{
	struct rpc_server_options options = {.unknown = relay_call, .context = guest};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct rpc_listener *listener;
	struct cor_error err;
	uv_signal_t again, stop;
	uv_poll_t input;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		return fail(path, NULL);
	if (rpc_listen(&guest->loop, fd, &options, &listener, &err) < 0)
		return fail(path, &err);
	uv_poll_init(&guest->loop, &input, STDIN_FILENO);
	uv_poll_start(&input, UV_READABLE, on_input_end);
	uv_signal_init(&guest->loop, &again);
	again.data = guest;
	uv_signal_start(&again, on_reconnect_signal, SIGUSR1);
	uv_signal_init(&guest->loop, &stop);
	uv_signal_start(&stop, on_stop_signal, SIGTERM);
	puts("serving");
	fflush(stdout);
	uv_run(&guest->loop, UV_RUN_DEFAULT);
	rpc_listener_free(listener);
	return 0;
}

int main(int argc, char **argv)
{
	struct guest guest = {.fd = -1};
	uint64_t began = clock_monotonic_ns();

	if (argc < 3) {
		fprintf(stderr, "usage: boot-guest KERNEL INITRAMFS [SOCKET [SERIAL=FILE ...]]\n");
		return 2;
	}
	alarm(300); /* nothing here may hang; the VMM dies with us */
	uv_loop_init(&guest.loop);
	if (getrandom(guest.secret, sizeof(guest.secret), 0) != sizeof(guest.secret) ||
	    start_vmm(&guest, argv[1], argv[2], argc > 4 ? argv + 4 : (char *[]){NULL}) ||
	    connect_guest(&guest) || say_hello(&guest, true))
		return 1;
	printf("time to the guest's first answer: %llu ms\n",
	       (unsigned long long)((clock_monotonic_ns() - began) / 1000000));
	if (argc >= 4)
		return serve(&guest, argv[3]) || shut_down(&guest);
	if (give_time_and_entropy(&guest) || expect_refusal(&guest) || reconnect(&guest) ||
	    say_hello(&guest, false) || shut_down(&guest))
		return 1;
	printf("time to the machine's clean end: %llu ms\n",
	       (unsigned long long)((clock_monotonic_ns() - began) / 1000000));
	return 0;
}
