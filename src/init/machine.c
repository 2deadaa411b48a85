/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole: who we are, the clock, the random generator, the way down. */
#include "init/machine.h"

#include "agent.pb-c.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#define PROTOCOL 1

static void reply_empty(struct rpc_call *call)
{
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;

	rpc_call_reply(call, &empty.base);
}

int machine_hello(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		  struct cor_error *err)
{
	const Coracle__Agent__V1__HelloRequest *request = (const Coracle__Agent__V1__HelloRequest *)message;
	Coracle__Agent__V1__HelloResponse response = CORACLE__AGENT__V1__HELLO_RESPONSE__INIT;
	char version[] = CORACLE_VERSION;
	struct utsname names;

	if (request->protocol < PROTOCOL)
		return cor_fail(err, COR_UNSUPPORTED, EPROTO, "this guest speaks protocol %d, not %u",
				PROTOCOL, request->protocol);
	uname(&names);
	response.protocol = PROTOCOL;
	response.version = version;
	response.kernel = names.release;
	response.machine = names.machine;
	response.boot_ns = clock_monotonic_ns();
	rpc_call_reply(call, &response.base);
	return 0;
}

int machine_set_time(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		     struct cor_error *err)
{
	const Coracle__Agent__V1__SetTimeRequest *request =
		(const Coracle__Agent__V1__SetTimeRequest *)message;
	struct timespec now = {
		.tv_sec = request->realtime_ns / 1000000000,
		.tv_nsec = request->realtime_ns % 1000000000,
	};

	if (request->realtime_ns < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "a time before 1970");
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return cor_fail_errno(err, errno, "set the clock");
	reply_empty(call);
	return 0;
}

int machine_add_entropy(void *service, struct rpc_call *call, const ProtobufCMessage *message,
			struct cor_error *err)
{
	const Coracle__Agent__V1__AddEntropyRequest *request =
		(const Coracle__Agent__V1__AddEntropyRequest *)message;
	_free_ struct rand_pool_info *pool = NULL;
	_fd_ int fd = -1;

	if (request->data.len < 1 || request->data.len > 1024)
		return cor_fail(err, COR_INVALID, EINVAL, "entropy comes in 1 to 1024 bytes");
	pool = xcalloc(1, sizeof(*pool) + request->data.len);
	pool->entropy_count = (int)request->data.len * 8;
	pool->buf_size = (int)request->data.len;
	memcpy(pool->buf, request->data.data, request->data.len);
	fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return cor_fail_errno(err, errno, "add entropy");
	reply_empty(call);
	return 0;
}

int machine_sync(void *service, struct rpc_call *call, const ProtobufCMessage *message, struct cor_error *err)
{
	sync();
	reply_empty(call);
	return 0;
}

static void on_answered(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct machine *machine = user;

	/* Whether the host heard the answer or has gone: the machine ends. */
	machine->stopping = true;
	uv_stop(machine->loop);
}

int machine_shutdown(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		     struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_answered};

	rpc_call_listen(call, &events, service);
	reply_empty(call);
	return 0;
}

/* Unmounts from the last mount to the first, as far as it goes: what is left cannot be written to any more once all processes are gone. */
static void unmount_all(void)
{
	_file_ FILE *mounts = fopen("/proc/self/mounts", "re");
	struct strv targets = {0};
	char line[4096];

	while (mounts && fgets(line, sizeof(line), mounts)) {
		char *target = strchr(line, ' ');

		if (!target)
			continue;
		target++;
		target[strcspn(target, " ")] = '\0';
		strv_add(&targets, target);
	}
	for (size_t i = targets.count; i-- > 0;)
		if (umount2(targets.items[i], UMOUNT_NOFOLLOW) < 0)
			mount(NULL, targets.items[i], NULL, MS_REMOUNT | MS_RDONLY, NULL);
	strv_release(&targets);
}

void machine_power_off(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	sync();
	unmount_all();
	/* The VMM runs with -no-reboot and ends here; a machine without ACPI has no other way to say so. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
