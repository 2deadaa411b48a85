/* SPDX-License-Identifier: Apache-2.0 */
/* coracle-init, the first process of a guest and alone in its initramfs: it prepares the machine, then serves coracle.agent.v1.Agent over the
 * virtio-serial port that the host named. It ends by taking the machine down, whatever happens: PID 1 must not return. */
#include "base/cleanup.h"
#include "base/log.h"
#include "init/early.h"
#include "init/files.h"
#include "init/freeze.h"
#include "init/line.h"
#include "init/machine.h"
#include "init/network.h"
#include "init/process.h"
#include "init/process_calls.h"
#include "init/relay.h"
#include "init/statistics.h"
#include "init/tree.h"
#include "init/volume.h"

#include "agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define MEDIUM (64u << 10) /* … that holds paths and lists too */
#define SMALL  4096        /* bytes of a request that holds ids and numbers */

#define METHOD(method, type, function, ...)                                                                  \
	{                                                                                                    \
		.name = method, .request = &coracle__agent__v1__##type##__descriptor, .unary = function,     \
		__VA_ARGS__                                                                                  \
	}

static const struct rpc_method methods[] = {
	METHOD("Hello", hello_request, machine_hello, .max_request = SMALL),
	METHOD("CreateContainer", create_container_request, container_create),
	METHOD("DeleteContainer", container_ref, container_delete, .max_request = SMALL),
	METHOD("ListContainers", empty, container_list, .max_request = SMALL),
	METHOD("CreateProcess", create_process_request, process_create_call,
	       .max_request = OCI_CONFIG_MAX + SMALL),
	METHOD("StartProcess", process_ref, process_start_call, .max_request = SMALL),
	METHOD("SignalProcess", signal_process_request, process_signal_call, .max_request = SMALL),
	METHOD("WaitProcess", process_ref, process_wait_call, .max_request = SMALL),
	METHOD("ResizeProcess", resize_process_request, process_resize_call, .max_request = SMALL),
	METHOD("DeleteProcess", process_ref, process_delete_call, .max_request = SMALL),
	METHOD("ListProcesses", container_ref, process_list_call, .max_request = SMALL),
	{
		.name = "AttachProcess",
		.request = &coracle__agent__v1__attach_process_request__descriptor,
		.client_streams = true,
		.stream = process_attach_call,
	},
	METHOD("Mount", mount_request, files_mount, .max_request = MEDIUM),
	METHOD("Unmount", unmount_request, files_unmount, .max_request = MEDIUM),
	METHOD("PrepareVolume", prepare_volume_request, volume_prepare, .max_request = MEDIUM),
	METHOD("ReadFile", read_file_request, files_read, .max_request = MEDIUM),
	{
		.name = "WriteFile",
		.request = &coracle__agent__v1__write_file_request__descriptor,
		.client_streams = true,
		.stream = files_write,
	},
	METHOD("StatPath", stat_path_request, tree_stat, .max_request = MEDIUM),
	{
		.name = "SendTree",
		.request = &coracle__agent__v1__send_tree_request__descriptor,
		.client_streams = true,
		.stream = tree_send,
	},
	{
		.name = "ReceiveTree",
		.request = &coracle__agent__v1__receive_tree_request__descriptor,
		.client_streams = true,
		.stream = tree_receive,
	},
	METHOD("FreezeContainer", container_ref, freeze_container, .max_request = SMALL),
	METHOD("Listen", listen_request, relay_listen, .max_request = SMALL, .small = true),
	{
		.name = "Relay",
		.request = &coracle__agent__v1__relay_request__descriptor,
		.client_streams = true,
		.stream = relay_begin,
		.max_request = RPC_SPLICE_MAX + SMALL,
		.small = true,
	},
	METHOD("GetStatistics", container_ref, statistics_get, .max_request = SMALL),
	METHOD("ConfigureNetwork", configure_network_request, network_configure, .max_request = MEDIUM),
	METHOD("SetTime", set_time_request, machine_set_time, .max_request = SMALL),
	METHOD("AddEntropy", add_entropy_request, machine_add_entropy, .max_request = SMALL),
	METHOD("Sync", empty, machine_sync, .max_request = SMALL),
	METHOD("Shutdown", shutdown_request, machine_shutdown, .max_request = SMALL),
};

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

static void on_first_hello(void *context)
{
	early_begin(context);
}

static int serve(struct guest *guest, struct cor_error *err)
{
	const struct rpc_service service = {
		.name = "coracle.agent.v1.Agent",
		.methods = methods,
		.method_count = ARRAY_SIZE(methods),
		.context = guest,
	};
	struct line line;
	uv_loop_t loop;
	int fd, r;

	guest->pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (guest->pid_namespace < 0)
		return cor_fail_errno(err, errno, "name spaces");
	uv_loop_init(&loop);
	guest->loop = &loop;
	uv_timer_init(&loop, &guest->rest);
	guest->rest.data = guest;
	r = guest_watch_children(guest, err);
	if (r < 0)
		return r;
	/* The host of a machine that is to be saved sees this, and saves it soon after. */
	fd = line_open_port("coracle.agent");
	if (fd < 0)
		return cor_fail_errno(err, fd, "the port 'coracle.agent'");
	r = line_start(&line, &loop, fd, &service, 1, err);
	if (guest->waiting) {
		line.on_first_hello = on_first_hello;
		line.context = guest;
	}
	while (r == 0 && !guest->stopping)
		uv_run(&loop, UV_RUN_DEFAULT);
	return r;
}

int main(void)
{
	struct guest guest = {.early_root = -1, .early_group = -1, .waiting = getenv("coracle_wait")};
	struct cor_error err = {0};
	int r = guest_boot(&guest, &err);

	open_console();
	/* No process of a container may look into init, nor into its own beginning, which is a copy of it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
	if (r == 0)
		r = serve(&guest, &err);
	if (r < 0)
		log_error("coracle-init: %s", err.msg);
	machine_power_off();
}
