/* SPDX-License-Identifier: Apache-2.0 */
/* coracle-init, the first process of a guest and alone in its initramfs: it prepares the machine, then serves coracle.agent.v1.Agent over the
 * virtio-serial port that the host named. It ends by taking the machine down, whatever happens: PID 1 must not return. */
#include "base/cleanup.h"
#include "base/log.h"
#include "init/line.h"
#include "init/machine.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define METHOD(method, type, function, ...)                                                                  \
	{                                                                                                    \
		.name = method, .request = &coracle__agent__v1__##type##__descriptor, .unary = function,     \
		__VA_ARGS__                                                                                  \
	}

static const struct rpc_method methods[] = {
	METHOD("Hello", hello_request, machine_hello),
	METHOD("SetTime", set_time_request, machine_set_time),
	METHOD("AddEntropy", add_entropy_request, machine_add_entropy, .max_request = 4096),
	METHOD("Sync", empty, machine_sync),
	METHOD("Shutdown", shutdown_request, machine_shutdown),
};

static int mount_basics(struct cor_error *err)
{
	static const struct {
		const char *type, *target, *options;
		unsigned long flags;
	} mounts[] = {
		{"devtmpfs", "/dev", "mode=0755", MS_NOSUID | MS_NOEXEC},
		{"proc", "/proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"sysfs", "/sys", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV},
	};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].options) < 0)
			return cor_fail_errno(err, errno, "mount %s", mounts[i].target);
	}
	return 0;
}

/* An initramfs has no /dev/console when the kernel looks for one, so that nothing is open yet. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	for (int i = 0; fd >= 0 && i < 3; i++)
		if (fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static int serve(struct cor_error *err)
{
	struct machine machine = {0};
	const struct rpc_service service = {
		.name = "coracle.agent.v1.Agent",
		.methods = methods,
		.method_count = ARRAY_SIZE(methods),
		.context = &machine,
	};
	struct line line;
	uv_loop_t loop;
	int fd = line_open_port("coracle.agent"), r;

	if (fd < 0)
		return cor_fail_errno(err, fd, "the port 'coracle.agent'");
	uv_loop_init(&loop);
	machine.loop = &loop;
	r = line_start(&line, &loop, fd, &service, 1, err);
	while (r == 0 && !machine.stopping)
		uv_run(&loop, UV_RUN_DEFAULT);
	return r;
}

int main(void)
{
	struct cor_error err = {0};
	int r = mount_basics(&err);

	open_console();
	if (r == 0)
		r = serve(&err);
	if (r < 0)
		log_error("coracle-init: %s", err.msg);
	machine_power_off();
}
