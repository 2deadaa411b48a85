/* SPDX-License-Identifier: Apache-2.0 */
/* coracle-shim: the process beside a virtual machine. Started by libcoracle with one connected client; takes the container's lock, boots the machine, serves
 * coracle.shim.v1 until the container has ended and everybody was told. With --ready it makes a machine that waits for a container (ready.h); with --probe it prints what machines would be made of, and runs none; with --save it makes a
 * machine for others to begin from. */
#include "container/folders.h"
#include "container/lock.h"
#include "container/pool.h"
#include "container/state.h"
#include "shim/shim.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "shim/hub.h"
#include "shim/installation.h"
#include "shim/ready.h"
#include "shim/sockets.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LOG_LIMIT (10u << 20)
#define LOG_KEEP  3
#define BACKLOG   64

void shim_time(struct shim *shim, const char *track, const char *stage)
{
	uint64_t now = clock_monotonic_ns();

	timings_add(&shim->timings, track, stage, 0, now);
	log_debug("%6.1f ms: %s", (double)(now - shim->timings.items[0].at_ns) / 1e6, stage);
}

void shim_span(struct shim *shim, const char *stage, uint64_t began_ns)
{
	timings_add(&shim->timings, "shim", stage, began_ns, clock_monotonic_ns());
}

void explain_silence(const struct shim *shim, struct cor_error *err)
{
	if (err->status == COR_TIMEOUT)
		cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
			 "the guest does not answer: its console is in `coracle logs --boot %s`, and "
			 "`coracle rm -f %s` ends it",
			 shim->record.name, shim->record.name);
}

/* ---- the container ---- */

int shim_open_container(struct shim *shim, struct cor_error *err)
{
	int r = container_lock(&shim->roots, shim->id, &shim->lock_fd, err);

	if (r == 0)
		container_lock_sign(shim->lock_fd, shim->maintenance);
	r = r ?: container_record_read(&shim->roots, shim->id, &shim->record, err);
	if (r < 0)
		return r;
	shim->data_dir = container_data_dir(&shim->roots, shim->id);
	shim->run_dir = container_run_dir(&shim->roots, shim->id);
	if (shim->data_dir < 0 || shim->run_dir < 0)
		return cor_fail_errno(err, MIN(shim->data_dir, shim->run_dir), "container %.12s", shim->id);
	r = shim->maintenance ? 0 : container_log_open(&shim->log, shim->data_dir, LOG_LIMIT, LOG_KEEP);
	if (r < 0)
		log_warning("the container's log cannot be written: %s", strerror(-r));
	return 0;
}

/* Room on the disk for the record of the end. */
static void keep_spare(const struct shim *shim)
{
	_fd_ int fd = openat(shim->data_dir, SPARE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0)
		(void)!posix_fallocate(fd, 0, SPARE_SIZE);
}

/* From here on a free lock beside this state means that we died. */
static int record_start(struct shim *shim, struct cor_error *err)
{
	struct container_state state = {.status = COR_RUNNING,
					.started_ns = clock_realtime_ns(),
					.saved = shim->from_saved,
					.pooled = shim->from_pool};

	if (shim->maintenance)
		return 0;
	keep_spare(shim);
	return container_state_write(&shim->roots, shim->id, &state, err);
}

/* ---- the socket ---- */

static int open_socket(struct shim *shim, struct cor_error *err)
{
	int fd = -1, r;

	unlinkat(shim->run_dir, "shim.sock", 0);
	r = unix_listen_at(shim->run_dir, "shim.sock", BACKLOG, &fd);
	if (r < 0)
		return cor_fail_errno(err, r, "shim.sock");
	return rpc_listener_open(shim->listener, fd, err);
}

static void on_first_client(uv_poll_t *poll, int status, int events)
{
	shim_first_client_gone(poll->data);
}

static int adopt_client(struct shim *shim, int fd, struct cor_error *err)
{
	shim->first_client_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (shim->first_client_fd < 0)
		return cor_fail_errno(err, errno, "the first client");
	uv_poll_init(&shim->loop, &shim->first_client, shim->first_client_fd);
	shim->first_client.data = shim;
	uv_poll_start(&shim->first_client, UV_DISCONNECT, on_first_client);
	return rpc_listener_adopt(shim->listener, fd, err);
}

/* ---- life ---- */

/* The host goes down, or somebody wants us to: the container is stopped as `stop` would. */
static void on_sigterm(uv_signal_t *handle, int number)
{
	struct shim *shim = handle->data;

	shim_stop(shim, shim->record.stop_signal,
		  shim->record.stop_timeout_s < 0 ? -1 : shim->record.stop_timeout_s * INT64_C(1000));
}

/* The pool is drained. A machine that has been claimed by now is a container's, and goes on. */
static void on_drain(uv_signal_t *handle, int number)
{
	struct shim *shim = handle->data;

	if (shim->unclaimed)
		ready_end(shim);
}

static void start(struct shim *shim)
{
	struct cor_error err = {0};
	int r = shim_open_container(shim, &err);

	if (r == 0) {
		boot_machine(shim);
		/* The guest's kernel boots meanwhile. */
		r = shim->stage == BOOTING ? record_start(shim, &err) : 0;
		r = r ?: open_socket(shim, &err);
	}
	if (r < 0)
		shim_fail(shim, &err);
}

/* The guest has its work first. */
void shim_go_on(struct shim *shim, int client)
{
	_fd_ int fd = client;
	struct cor_error err = {0};
	/* It is told of whatever fails from here on. */
	int r = adopt_client(shim, fd, &err);

	if (r == 0)
		(void)steal_fd(&fd);
	r = r ?: boot_claimed(shim, &err);
	if (r == 0)
		r = shim->stage == BOOTING ? record_start(shim, &err) : 0;
	r = r ?: open_socket(shim, &err);
	if (r < 0)
		shim_fail(shim, &err);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void release(struct shim *shim)
{
	rpc_listener_free(shim->listener);
	uv_walk(&shim->loop, close_handle, NULL);
	uv_run(&shim->loop, UV_RUN_DEFAULT);
	uv_loop_close(&shim->loop);
	hub_free(shim->hub);
	sockets_free(shim);
	if (shim->hello)
		coracle__agent__v1__hello_response__free_unpacked(shim->hello, NULL);
	buffer_release(&shim->console_line);
	ready_free(shim);
	container_record_release(&shim->record);
	free(shim->unsaved);
	if (shim->from_saved)
		saved_release(&shim->roots, &shim->saved);
	roots_release(&shim->roots);
	int *fds[] = {&shim->mailbox_fd, &shim->kernel_fd, &shim->initramfs_fd,
		      &shim->data_dir,   &shim->run_dir,   &shim->first_client_fd};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close_fd(fds[i]);
}

/* A place in the pool is one thing of many to fail for: then nobody waits for it. */
static int wait_for_container(struct shim *shim, char *argument, struct cor_error *err)
{
	int r;

	/* Nothing of a container's is touched. */
	shim->unclaimed = shim->maintenance = true;
	shim->first_client_fd = -1;
	r = ready_begin(shim, argument, err);
	if (r < 0)
		ready_end(shim);
	return r == -ENOENT ? 0 : r;
}

/* client: of a shim that waits in the pool -1. */
static int serve(struct shim *shim, int client, char *argument, struct cor_error *err)
{
	struct rpc_service service = {.name = "coracle.shim.v1.Shim",
				      .methods = shim_methods,
				      .method_count = shim_method_count,
				      .context = shim};
	struct rpc_server_options options = {
		.services = &service, .service_count = 1, .unknown = service_relay, .context = shim};
	int r = uv_loop_init(&shim->loop);

	if (r < 0)
		return cor_fail_errno(err, r, "event loop");
	uv_timer_init(&shim->loop, &shim->boot_timer);
	uv_timer_init(&shim->loop, &shim->end_timer);
	uv_timer_init(&shim->loop, &shim->stop_timer);
	uv_timer_init(&shim->loop, &shim->stall_timer);
	uv_timer_init(&shim->loop, &shim->refill_timer);
	uv_signal_init(&shim->loop, &shim->sigterm);
	uv_signal_init(&shim->loop, &shim->drain);
	shim->boot_timer.data = shim->end_timer.data = shim->stop_timer.data = shim->stall_timer.data =
		shim->refill_timer.data = shim->sigterm.data = shim->drain.data = shim;
	uv_signal_start(&shim->sigterm, on_sigterm, SIGTERM);
	uv_signal_start(&shim->drain, on_drain, POOL_DRAIN);
	shim->hub = hub_new(shim);
	r = rpc_listen(&shim->loop, -1, &options, &shim->listener, err);
	if (r == 0 && client >= 0)
		r = adopt_client(shim, client, err);
	if (r < 0)
		return r;
	if (client >= 0)
		start(shim);
	else
		r = wait_for_container(shim, argument, err);
	uv_run(&shim->loop, UV_RUN_DEFAULT);
	release(shim);
	return r;
}

/* ---- what machines are made of ---- */

static json_t *path_or_problem(int r, const char *path, const struct cor_error *err)
{
	return r < 0 ? json_pack("{s:s}", "problem", err->msg) : json_string(path);
}

static int probe(const struct roots *roots, struct cor_error *err)
{
	_free_ char *program = qemu_program(), *kernel = NULL, *initramfs = NULL, *text = NULL;
	_fd_ int kernel_fd = -1, initramfs_fd = -1;
	struct accelerator_choice choice;
	_json_ json_t *facts = json_object();
	int r = kernel_open(NULL, &kernel_fd, &kernel, err);

	json_object_set_new(facts, "kernel", path_or_problem(r, kernel, err));
	r = initramfs_open(NULL, &initramfs_fd, &initramfs, err);
	json_object_set_new(facts, "init", path_or_problem(r, initramfs, err));
	r = vmm_drivers[0]->probe(err);
	json_object_set_new(facts, "vmm", path_or_problem(r, program, err));
	r = accelerator_choose(roots->run_fd, NULL, kernel_fd, program, &choice, err);
	if (r < 0)
		return r;
	json_object_set_new(facts, "accelerator",
			    json_pack("{s:s, s:s}", "name", vm_accelerator_name(choice.accelerator), "reason",
				      choice.reason));
	text = json_dumps(facts, JSON_COMPACT);
	return puts(text) == EOF || fflush(stdout) == EOF ? cor_fail_errno(err, errno, "standard output") : 0;
}

/* ---- arguments ---- */

struct arguments {
	const char *data, *run, *id, *save;
	int client;
	bool maintenance, with_volumes, probe, ready;
	char *argument; /* the id, where it lies on the command line */
};

static int parse(int argc, char **argv, struct arguments *args)
{
	static const struct option options[] = {
		{"data", required_argument, NULL, 'd'},  {"run", required_argument, NULL, 'r'},
		{"id", required_argument, NULL, 'i'},    {"client", required_argument, NULL, 'c'},
		{"maintenance", no_argument, NULL, 'm'}, {"with-volumes", no_argument, NULL, 'v'},
		{"probe", no_argument, NULL, 'p'},       {"save", required_argument, NULL, 's'},
		{"ready", no_argument, NULL, 'w'},       {0}};
	int letter;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (letter) {
		case 'd':
			args->data = optarg;
			break;
		case 'r':
			args->run = optarg;
			break;
		case 'i':
			args->id = args->argument = optarg;
			break;
		case 'w':
			args->ready = true;
			break;
		case 'c':
			args->client = atoi(optarg);
			break;
		case 'm':
			args->maintenance = true;
			break;
		case 'v':
			args->with_volumes = true;
			break;
		case 's':
			args->save = optarg;
			break;
		case 'p':
			args->probe = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return args->probe || args->save ||
			       (args->id && id_valid(args->id) &&
				(args->ready || args->client > STDERR_FILENO))
		       ? 0
		       : -EINVAL;
}

/* The folder in which somebody typed a command must not stay in use (and its file system busy) as long as a container runs. */
static void leave_folder(void)
{
	static const char *const variables[] = {"CORACLE_QEMU", "CORACLE_KERNEL", "CORACLE_INITRAMFS"};

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = getenv(variables[i]);
		_free_ char *path = str_empty(value) || *value == '/' ? NULL : realpath(value, NULL);

		if (path)
			setenv(variables[i], path, 1);
	}
	(void)!chdir("/");
}

int main(int argc, char **argv)
{
	struct shim shim = {.lock_fd = -1,
			    .data_dir = -1,
			    .run_dir = -1,
			    .kernel_fd = -1,
			    .mailbox_fd = -1,
			    .initramfs_fd = -1,
			    .first_client_fd = -1};
	struct arguments args = {.client = -1};
	struct cor_error err = {0};
	int r;

	if (parse(argc, argv, &args) < 0) {
		fprintf(stderr, "coracle-shim is started by coracle\n");
		return 2;
	}
	umask(0077);
	shim_time(&shim, "shim", "shim started");
	leave_folder();
	r = roots_open(args.data, args.run, &shim.roots, &err);
	if (r == 0 && (args.probe || args.save)) {
		r = args.probe ? probe(&shim.roots, &err) : save_machine(&shim.roots, args.save, &err);
		roots_release(&shim.roots);
	} else if (r == 0) {
		signal(SIGPIPE, SIG_IGN);
		if (args.client >= 0)
			fcntl(args.client, F_SETFD, FD_CLOEXEC);
		memcpy(shim.id, args.id, ID_SIZE);
		shim.maintenance = args.maintenance;
		shim.with_volumes = args.with_volumes;
		prctl(PR_SET_NAME, "coracle-shim");
		r = serve(&shim, args.ready ? -1 : args.client, args.argument, &err);
	}
	if (r < 0)
		log_error("%s", err.msg);
	return r < 0 ? 1 : 0;
}
