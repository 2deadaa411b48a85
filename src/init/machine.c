/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole: who we are, the clock, the random generator, the way down. */
#include "init/machine.h"

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "init/process.h"

#include <dirent.h>
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

/* Of disks, mounted wherever: a mount that goes with its last process goes a little after it. */
static unsigned count_file_systems(void)
{
	_dir_ DIR *dir = opendir("/sys/fs/ext4");
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.' && strcmp(entry->d_name, "features") != 0;
	return count;
}

int machine_hello(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		  struct cor_error *err)
{
	const Coracle__Agent__V1__HelloRequest *request = (const Coracle__Agent__V1__HelloRequest *)message;
	Coracle__Agent__V1__HelloResponse response = CORACLE__AGENT__V1__HELLO_RESPONSE__INIT;
	static const char *const features[] = {"settles-first", "volumes", "mailbox"};
	char version[] = CORACLE_VERSION;
	struct utsname names;

	if (request->protocol < PROTOCOL)
		return cor_fail(err, COR_UNSUPPORTED, EPROTO, "this guest speaks protocol %d, not %u",
				PROTOCOL, request->protocol);
	uname(&names);
	response.protocol = PROTOCOL;
	response.version = version;
	response.features = (char **)(uintptr_t)features;
	response.n_features = ARRAY_SIZE(features);
	response.kernel = names.release;
	response.machine = names.machine;
	response.boot_ns = clock_monotonic_ns();
	response.file_systems = count_file_systems();
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
	guest_reply_empty(call);
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
	guest_reply_empty(call);
	return 0;
}

int machine_sync(void *service, struct rpc_call *call, const ProtobufCMessage *message, struct cor_error *err)
{
	sync();
	guest_reply_empty(call);
	return 0;
}

/* ---- the way down ---- */

/* What holds nothing that could be lost. */
static bool is_virtual(const char *type)
{
	static const char *const types[] = {
		"cgroup2", "devpts", "devtmpfs", "mqueue", "proc", "rootfs", "sysfs", "tmpfs",
		/* What was written is at the host already; and where nobody answers there any more, to unmount would
					     * wait for ever. */
		"virtiofs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* Spaces and the like stand there as three octal digits. */
static void unescape(char *text)
{
	char *out = text;

	for (char *p = text; *p; p++) {
		unsigned value;

		if (*p == '\\' && sscanf(p + 1, "%3o", &value) == 1 && value) {
			*out++ = (char)value;
			p += 3;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
}

/* Unmounts from the last mount to the first, as far as it goes: what is left cannot be written to any more once all processes are gone. */
static void unmount_all(void)
{
	_file_ FILE *mounts = fopen("/proc/self/mounts", "re");
	struct strv targets = {0};
	char line[8192];

	while (mounts && fgets(line, sizeof(line), mounts)) {
		char *rest = NULL, *source = strtok_r(line, " ", &rest);
		char *target = source ? strtok_r(NULL, " ", &rest) : NULL;
		char *type = target ? strtok_r(NULL, " ", &rest) : NULL;

		if (!type || is_virtual(type))
			continue;
		unescape(target);
		strv_add(&targets, target);
	}
	for (size_t i = targets.count; i-- > 0;)
		if (umount2(targets.items[i], UMOUNT_NOFOLLOW) < 0)
			mount(NULL, targets.items[i], NULL, MS_REMOUNT | MS_RDONLY, NULL);
	strv_release(&targets);
}

/* After this nothing in the machine runs but init, and nothing that a disk must have is missing on it. */
static void settle_disks(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	sync();
	unmount_all();
}

/* A Shutdown call, from its SIGTERM to its answer. */
struct machine_shutdown {
	struct guest *guest;
	struct rpc_call *call;
	uv_timer_t timer;
	bool answered;
};

/* Whether the host heard the answer or has gone: the machine ends. */
static void on_shutdown_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct machine_shutdown *shutdown = user;

	shutdown->guest->stopping = true;
	uv_stop(shutdown->guest->loop);
}

static void answer_shutdown(struct machine_shutdown *shutdown)
{
	if (shutdown->answered)
		return;
	shutdown->answered = true;
	/* Who hears the answer may pull the plug: the kernel's way down and the VMM's take longer than all of this. */
	settle_disks();
	guest_reply_empty(shutdown->call);
}

static void on_grace_over(uv_timer_t *timer)
{
	answer_shutdown(timer->data);
}

/* Gives every live process a signal, if one is given; false when there is none. */
static bool each_live_process(struct guest *guest, int number)
{
	bool any = false;

	for (struct container *container = guest->containers; container; container = container->next)
		for (struct process *process = container->processes; process; process = process->next)
			if (process_alive(process)) {
				any = true;
				if (number)
					(void)process_signal(process, number, NULL);
			}
	return any;
}

void machine_children_ended(struct guest *guest)
{
	if (guest->shutdown && !each_live_process(guest, 0))
		answer_shutdown(guest->shutdown);
}

int machine_shutdown(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		     struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_shutdown_end};
	const Coracle__Agent__V1__ShutdownRequest *request = (const void *)message;
	struct guest *guest = service;
	struct machine_shutdown *shutdown;

	if (guest->shutdown)
		return cor_fail(err, COR_BUSY, EALREADY, "the machine is going down already");
	shutdown = xcalloc(1, sizeof(*shutdown));
	shutdown->guest = guest;
	shutdown->call = call;
	guest->shutdown = shutdown;
	rpc_call_listen(call, &events, shutdown);
	if (!request->grace_ms || !each_live_process(guest, SIGTERM)) {
		answer_shutdown(shutdown);
		return 0;
	}
	uv_timer_init(guest->loop, &shutdown->timer);
	shutdown->timer.data = shutdown;
	uv_update_time(guest->loop);
	uv_timer_start(&shutdown->timer, on_grace_over, request->grace_ms, 0);
	return 0;
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
