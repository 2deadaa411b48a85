/* SPDX-License-Identifier: Apache-2.0 */
/* From nothing to a guest that answered.
 *
 * The shim opens every file and hands descriptors to the VMM. Then it waits for the guest's reply to the handshake, and meanwhile keeps the console. A machine
 * under KVM that does not answer in ten seconds is taken down and started again under TCG, unless KVM was asked for. */
#include "shim/shim.h"

#include "base/clock.h"
#include "base/file.h"
#include "container/starts.h"
#include "shim/installation.h"
#include "shim/publish.h"
#include "shim/sockets.h"

#include <endian.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define FAST_BOOT_MS    10000 /* under KVM, or from a saved machine */
#define BOOT_MS         100000
#define CONSOLE_LIMIT   (1u << 20)
#define CONSOLE_KEEP    2
#define READS_AT_ONCE   16   /* of one descriptor, before the others have their turn */
#define MESSAGES_MAX    1000 /* lines of the VMM's that go into our log */
#define VMM_UID_BITS    24
#define QCOW2_DATA_FILE 4u
/* What a VMM and its shim may use beside the machine's memory. TCG keeps the code that it translated, up to a GiB; under KVM there are QEMU, devices' and
 * clients' buffers. Page tables, the guest's and QEMU's, take an eighth of a percent each of what they map, and room is left. */
#define OVERHEAD_TCG (UINT64_C(1) << 30)
#define OVERHEAD_KVM (UINT64_C(256) << 20)
#define TABLES_PART  128

/* ---- the VMM's descriptors ---- */

/* Handles live until the loop has let go of them, which may be after the next machine has its own. */
struct watchers {
	uv_poll_t vmm, console, messages, control, agent;
	unsigned open;
};

static void machine_ended(struct shim *shim);

static void drain_console(struct shim *shim)
{
	char data[16384];

	for (int i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = read(shim->vm->console_fd, data, sizeof(data));

		if (n > 0)
			console_feed(shim, data, (size_t)n);
		else if (n == 0)
			uv_poll_stop(&shim->watchers->console);
		if (n <= 0)
			return;
	}
}

static void note_message(struct shim *shim, const char *line)
{
	char text[sizeof(shim->message)];

	text_copy(text, sizeof(text), line);
	if (!text[0])
		return;
	/* That one explains no end. */
	if (!str_after(text, UNCONFINED))
		memcpy(shim->message, text, sizeof(text));
	if (shim->message_count < MESSAGES_MAX)
		log_warning("VMM: %s", text);
	else if (shim->message_count == MESSAGES_MAX)
		log_warning("VMM: it goes on, but no more of it is kept");
	shim->message_count += shim->message_count <= MESSAGES_MAX;
}

/* What QEMU has to say goes into our log; its last line into an error, if one is to be made. A guest can make it talk without end (every reset of a
 * device that it misuses is worth a line), so that only so much is read at once, and kept. */
static void drain_messages(struct shim *shim)
{
	char data[2048];
	ssize_t n = 1;

	for (int i = 0; n > 0 && i < READS_AT_ONCE; i++) {
		char *line, *rest = data;

		n = read(shim->vm->messages_fd, data, sizeof(data) - 1);
		data[MAX(n, 0)] = '\0';
		while ((line = strsep(&rest, "\n")))
			note_message(shim, line);
	}
	if (n == 0)
		uv_poll_stop(&shim->watchers->messages);
}

static void on_console(uv_poll_t *poll, int status, int events)
{
	drain_console(poll->data);
}

static void on_messages(uv_poll_t *poll, int status, int events)
{
	drain_messages(poll->data);
}

/* Both are heard within one start, or not at all. */
static void note_vmm(struct shim *shim, uint64_t ready_before, uint64_t resumed_before)
{
	if (!ready_before && shim->vm->ready_ns)
		timings_add(&shim->timings, "VMM", "VMM ready", 0, shim->vm->ready_ns);
	if (!resumed_before && shim->vm->resumed_ns && !shim->answered)
		timings_add(&shim->timings, "VMM", "VMM's CPUs run", 0, shim->vm->resumed_ns);
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	struct shim *shim = poll->data;
	uint64_t ready = shim->vm->ready_ns, resumed = shim->vm->resumed_ns;

	if (vm_process_control(shim->vm, NULL) < 0)
		uv_poll_stop(poll);
	note_vmm(shim, ready, resumed);
	disks_look(shim);
}

static void on_vmm_end(uv_poll_t *poll, int status, int events)
{
	struct shim *shim = poll->data;

	drain_console(shim);
	drain_messages(shim);
	vm_process_control(shim->vm, NULL);
	machine_ended(shim);
}

static void watch(struct shim *shim, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
	uv_poll_init(&shim->loop, poll, fd);
	poll->data = shim;
	uv_poll_start(poll, UV_READABLE, callback);
	shim->watchers->open++;
}

static void on_closed(uv_handle_t *handle)
{
	struct watchers *watchers = handle->data;

	if (--watchers->open == 0)
		free(watchers);
}

void machine_unwatch(struct shim *shim)
{
	struct watchers *watchers = steal_ptr(shim->watchers);

	uv_timer_stop(&shim->boot_timer);
	if (!watchers)
		return;
	uv_poll_t *polls[] = {&watchers->vmm, &watchers->console, &watchers->messages, &watchers->control,
			      &watchers->agent};
	for (size_t i = 0; i < ARRAY_SIZE(polls); i++) {
		polls[i]->data = watchers;
		uv_close((uv_handle_t *)polls[i], on_closed);
	}
}

/* ---- the handshake ---- */

static void on_guest_close(struct rpc_conn *conn, const struct cor_error *reason, void *context)
{
	struct shim *shim = context;
	struct cor_error err;

	shim->guest = NULL;
	rpc_conn_free(conn);
	if (shim->stage >= ENDING)
		return;
	/* A guest that stops to speak HTTP/2 is no guest any more; when it is the VMM that went, its end is heard in a moment. */
	cor_fail(&err, COR_UNAVAILABLE, EPROTO, "the line to the guest broke: %s", reason->msg);
	log_error("%s", err.msg);
	vm_kill(shim->vm);
}

/* Only a machine that answers under TCG shows that it was KVM's fault: others end for want of memory, or have a kernel that boots nowhere. */
static void remember_fall_back(struct shim *shim)
{
	_free_ char *program = qemu_program();
	struct cor_error err;

	if (accelerator_distrust(shim->roots.run_fd, shim->kernel_fd, program, &err) < 0)
		log_warning("%s", err.msg);
}

static void connected(struct shim *shim)
{
	struct rpc_client_options options = {.on_close = on_guest_close, .context = shim};
	struct cor_error err;
	int fd = fcntl(shim->vm->agent_fd, F_DUPFD_CLOEXEC, 0);

	uv_poll_stop(&shim->watchers->agent);
	uv_timer_stop(&shim->boot_timer);
	shim->answered = true;
	shim_time(shim, "guest", "guest answered");
	if (shim->fell_back)
		remember_fall_back(shim);
	if (fd < 0) {
		cor_fail_errno(&err, errno, "the guest's line");
		shim_fail(shim, &err);
	} else if (rpc_connect(&shim->loop, fd, &options, &shim->guest, &err) < 0) {
		shim_fail(shim, &err);
	} else {
		guest_prepare(shim);
	}
}

/* Takes exactly what belongs to the handshake, because HTTP/2 may follow at once. What is no handshake is thrown away, however long it goes on: the boot's
 * deadline ends it. */
static void on_agent(uv_poll_t *poll, int status, int events)
{
	struct shim *shim = poll->data;
	uint8_t data[4096];
	bool done = false;

	for (int i = 0; !done && i < READS_AT_ONCE; i++) {
		ssize_t n = recv(shim->vm->agent_fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
		size_t used = n > 0 ? (size_t)n : 0;

		if (n <= 0) {
			if (n == 0)
				uv_poll_stop(poll);
			return;
		}
		done = handshake_host_feed(&shim->handshake, data, (size_t)n, &used);
		if (recv(shim->vm->agent_fd, data, used, MSG_DONTWAIT) != (ssize_t)used)
			return;
	}
	if (done)
		connected(shim);
}

static int send_hello(struct shim *shim, struct cor_error *err)
{
	int r = handshake_host_init(&shim->handshake, shim->secret);

	if (r == 0 && send(shim->vm->agent_fd, shim->handshake.hello, sizeof(shim->handshake.hello),
			   MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(shim->handshake.hello))
		r = -EIO;
	return r < 0 ? cor_fail_errno(err, r, "the guest's line") : 0;
}

/* ---- starting ---- */

/* The overlay's header was written by us, but the VMM can write it. A name in it (of a backing file, at the offset that follows the version; or of
 * a data file, bit 2 of the incompatible features) would make the next VMM open that file (docs/interop/qcow2.txt of QEMU). */
static int check_overlay(int fd, struct cor_error *err)
{
	uint8_t header[80];
	uint64_t backing, features;

	if (pread(fd, header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header, "QFI\xfb\0\0\0\3", 8) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "the container's disk is no qcow2 file");
	memcpy(&backing, header + 8, sizeof(backing));
	memcpy(&features, header + 72, sizeof(features));
	if (backing || be64toh(features) & QCOW2_DATA_FILE)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"the container's disk names another file of the host, as none of ours does");
	return 0;
}

static int open_disk(struct shim *shim, struct vm_disk *disk, struct cor_error *err)
{
	struct stat st;
	int r;

	if (!shim->record.read_only)
		disk->overlay_fd = openat(shim->data_dir, "root.qcow2", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (!shim->record.read_only && disk->overlay_fd < 0)
		return cor_fail_errno(err, errno, "the container's disk");
	r = shim->record.read_only ? 0 : check_overlay(disk->overlay_fd, err);
	if (r < 0)
		return r;
	disk->overlay_limit = shim->record.read_only ? 0 : storage_limit(shim->record.storage_size);
	disk->base_fd = open(shim->record.rootfs, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (disk->base_fd < 0)
		return cor_fail_errno(err, errno, "the file system of image '%s'", shim->record.image);
	if (fstat(disk->base_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cor_fail(err, COR_CORRUPT, EINVAL, "the file system of image '%s' is not a file",
				shim->record.image);
	return 0;
}

/* One of 2^VMM_UID_BITS, by the container's id. */
static uid_t uid_number(const char *id)
{
	return (uid_t)strtoul((const char[]){id[0], id[1], id[2], id[3], id[4], id[5], 0}, NULL, 16) &
	       ((1u << VMM_UID_BITS) - 1);
}

static uid_t vmm_uid(const char *id)
{
	return VMM_UID_BASE + uid_number(id);
}

uid_t passt_uid(const char *id)
{
	return VMM_UID_BASE + (1u << VMM_UID_BITS) + uid_number(id);
}

/* One of few, to be counted (starts.h). */
static const char *why_unusable(const struct cor_error *why)
{
	if (why->status == COR_NOT_FOUND)
		return "no machine of this shape is saved";
	log_warning("the saved machine of this shape cannot be used: %s", why->msg);
	return why->status == COR_CORRUPT ? "the saved machine of this shape was damaged"
					  : "the saved machine of this shape cannot be used";
}

/* From a saved machine of this shape, or else from nothing. */
static int start_saved(struct shim *shim, struct vm_spec *spec, struct cor_error *err)
{
	const char *obstacle = shim->may_use_saved ? saved_obstacle(&shim->record.machine, spec) : NULL;
	bool possible = shim->may_use_saved && !obstacle;
	struct cor_error why;
	int r;

	shim->from_saved = possible && saved_use(&shim->roots, spec, &shim->saved, &why) == 0;
	if (possible && !shim->from_saved) {
		shim->booted_because = why_unusable(&why);
		shim->unsaved = saved_describe(spec);
	} else if (!possible && !shim->booted_because)
		shim->booted_because = obstacle ? obstacle : "saved machines are turned off";
	r = vm_start(vmm_drivers[0], spec, &shim->vm, err);
	return r < 0 || !shim->from_saved ? r : saved_feed(&shim->roots, &shim->saved, err);
}

static struct vm_disk no_disk(const struct shim *shim)
{
	return (struct vm_disk){
		.serial = "root", .base_fd = -1, .overlay_fd = -1, .ephemeral = shim->record.auto_remove};
}

static int start_vmm(struct shim *shim, struct cor_error *err)
{
	const struct machine_config *machine = &shim->record.machine;
	struct vm_disk disks[1 + VOLUMES_MAX + 1] = {no_disk(shim)};
	struct vm_share shares[SHARES_MAX];
	size_t volumes = 0;
	char name[sizeof("coracle-") + ID_SHORT_SIZE];
	_free_ struct vm_nic *nics = network_nics(shim);
	struct vm_spec spec = {
		.name = name,
		.accelerator = shim->accelerator.accelerator,
		.tsc_khz = shim->accelerator.tsc_khz,
		.cpus = machine->cpus,
		.memory = machine->memory,
		.nested = machine->virtualization,
		.kernel_fd = shim->kernel_fd,
		.initramfs_fd = shim->initramfs_fd,
		.kernel_args = (const char *const *)machine->kernel_args.items,
		.disks = disks,
		.nics = nics,
		.nic_count = shim->port_count,
		.shares = shares,
		.uid = vmm_uid(shim->id),
	};
	int r = open_disk(shim, disks, err);

	disks[0].exchangeable = shim->unclaimed;
	snprintf(name, sizeof(name), "coracle-%.12s", shim->id);
	r = r ?: volumes_open(shim, disks + 1, &volumes, err);
	spec.disk_count = 1 + volumes;
	r = r ?: shares_start(shim, shares, &spec.share_count, err);
	mailbox_add(shim, &spec, &disks[spec.disk_count]);
	r = r ?: start_saved(shim, &spec, err);
	network_handed_over(shim);
	shares_handed_over(shim);
	volumes_close(disks + 1, volumes);
	close_fd(&disks[0].overlay_fd);
	close_fd(&disks[0].base_fd);
	if (r == 0)
		shim_time(shim, "shim",
			  shim->from_saved ? "VMM started from a saved machine" : "VMM started");
	return r;
}

void boot_count(const struct shim *shim)
{
	if (shim->from_pool)
		starts_count(&shim->roots, "ready", NULL);
	else if (shim->from_saved)
		starts_count(&shim->roots, "restored", NULL);
	else
		starts_count(&shim->roots, "booted", shim->booted_because);
}

void boot_save_shape(struct shim *shim)
{
	if (shim->unsaved)
		saved_request(&shim->roots, shim->unsaved);
}

/* A guest that takes its VMM over, or makes it hoard, is not to take the host's memory. */
static void limit_memory(const struct shim *shim)
{
	uint64_t memory = shim->record.machine.memory;
	int r = cgroup_limit_memory(
		&shim->cgroup,
		memory + memory / TABLES_PART +
			(shim->accelerator.accelerator == VM_KVM ? OVERHEAD_KVM : OVERHEAD_TCG));

	if (r < 0)
		log_debug("the machine's memory is not limited by a cgroup: %s", strerror(-r));
}

static void on_boot_timeout(uv_timer_t *timer);

/* What did not answer is tried again in a slower way: a saved machine from nothing, KVM as TCG. */
static bool may_fall_back(const struct shim *shim)
{
	if (shim->from_pool)
		return shim->stage == BOOTING;
	return !shim->answered &&
	       (shim->from_saved || (shim->accelerator.accelerator == VM_KVM && !shim->accelerator.asked));
}

static int start_machine(struct shim *shim, struct cor_error *err)
{
	int r = start_vmm(shim, err);

	if (r < 0)
		return r;
	shim->watchers = xcalloc(1, sizeof(*shim->watchers));
	watch(shim, &shim->watchers->vmm, shim->vm->pidfd, on_vmm_end);
	watch(shim, &shim->watchers->console, shim->vm->console_fd, on_console);
	watch(shim, &shim->watchers->messages, shim->vm->messages_fd, on_messages);
	watch(shim, &shim->watchers->control, shim->vm->control_fd, on_control);
	watch(shim, &shim->watchers->agent, shim->vm->agent_fd, on_agent);
	shim->boot_timer.data = shim;
	uv_update_time(&shim->loop);
	uv_timer_start(&shim->boot_timer, on_boot_timeout, may_fall_back(shim) ? FAST_BOOT_MS : BOOT_MS, 0);
	return send_hello(shim, err);
}

/* What it still says does not count. */
static void forget_guest(struct shim *shim)
{
	shim->stage = ENDING;
	rpc_conn_free(shim->guest);
	shim->stage = BOOTING;
	shim->guest = NULL;
	shim->answered = false;
	shim->preparing = 0;
	if (shim->hello)
		coracle__agent__v1__hello_response__free_unpacked(steal_ptr(shim->hello), NULL);
}

static void fall_back(struct shim *shim)
{
	struct cor_error err = {0};

	machine_unwatch(shim);
	vm_free(shim->vm);
	shim->vm = NULL;
	/* What that one said explains nothing of the next. */
	shim->message[0] = shim->panic[0] = '\0';
	shim->guest_oom = false;
	buffer_clear(&shim->console_line);
	if (shim->from_pool) {
		log_warning("the machine of the pool does not go on: another one is started");
		forget_guest(shim);
		if (shim->from_saved)
			saved_release(&shim->roots, &shim->saved);
		shim->from_pool = shim->from_saved = false;
	} else if (shim->from_saved) {
		log_warning("the saved machine %s does not go on: it is removed, and this one boots",
			    shim->saved.template.id);
		template_forget(&shim->roots, shim->saved.template.id);
		saved_release(&shim->roots, &shim->saved);
		shim->may_use_saved = shim->from_saved = false;
		shim->booted_because = "the saved machine did not go on";
	} else {
		log_warning("the machine does not answer under KVM: going on with TCG");
		shim->fell_back = true;
		shim->accelerator.accelerator = VM_TCG;
		snprintf(shim->accelerator.reason, sizeof(shim->accelerator.reason),
			 "a machine did not answer under KVM");
		limit_memory(shim);
	}
	if (start_machine(shim, &err) < 0)
		shim_fail(shim, &err);
}

static void on_boot_timeout(uv_timer_t *timer)
{
	struct shim *shim = timer->data;
	struct cor_error err;

	if (may_fall_back(shim)) {
		fall_back(shim);
		return;
	}
	cor_fail(&err, COR_TIMEOUT, ETIMEDOUT, "the guest did not answer: see `coracle logs --boot %s`",
		 shim->record.name);
	shim_fail(shim, &err);
}

static void machine_ended(struct shim *shim)
{
	/* A VMM that cannot use KVM after all says so and ends at once. One that was killed was not to go on. */
	if (shim->stage == BOOTING && may_fall_back(shim) && (shim->from_pool || !vm_was_killed(shim->vm)))
		fall_back(shim);
	else
		shim_machine_gone(shim);
}

void boot_instead(struct shim *shim, const struct cor_error *why)
{
	log_warning("%s", why->msg);
	fall_back(shim);
}

void boot_await(struct shim *shim, uint64_t timeout_ms)
{
	shim->boot_timer.data = shim;
	uv_update_time(&shim->loop);
	uv_timer_start(&shim->boot_timer, on_boot_timeout, timeout_ms, 0);
}

/* All that a machine needs beside what the container has. */
static int open_installation(struct shim *shim, struct cor_error *err)
{
	const struct machine_config *machine = &shim->record.machine;
	_free_ char *program = qemu_program();
	int r = kernel_open(machine->kernel, &shim->kernel_fd, NULL, err);

	r = r ?: initramfs_open(machine->initramfs, &shim->initramfs_fd, NULL, err);
	if (r == 0)
		r = accelerator_choose(shim->roots.run_fd, machine->accelerator, shim->kernel_fd, program,
				       &shim->accelerator, err);
	if (r < 0)
		return r;
	return getrandom(shim->secret, sizeof(shim->secret), 0) == sizeof(shim->secret)
		       ? 0
		       : cor_fail(err, COR_INTERNAL, EIO, "no random bytes");
}

static void open_console_log(struct shim *shim)
{
	if (rotating_open(&shim->console_log, shim->data_dir,
			  shim->maintenance ? "maintenance-console.log" : "console.log", CONSOLE_LIMIT,
			  CONSOLE_KEEP) < 0)
		log_warning("the console's log cannot be written");
}

/* Moving between groups takes the kernel milliseconds; the machine is at work meanwhile. */
static void enter_group(struct shim *shim, pid_t below)
{
	_free_ char *group = xstrndup(shim->id, ID_SHORT_SIZE - 1);
	struct cor_error why;

	if (cgroup_make(group, below, &shim->cgroup, &why) == 0) {
		cgroup_add_descendants(&shim->cgroup);
		limit_memory(shim);
	} else {
		log_info("%s: what the machine uses is counted with its caller", why.msg);
	}
}

static int boot(struct shim *shim, struct cor_error *err)
{
	int r = shim->maintenance ? 0 : publish_hold(shim, err);

	r = r ?: open_installation(shim, err);
	if (r < 0)
		return r;
	open_console_log(shim);
	r = shim->maintenance ? 0 : sockets_open(shim, err);
	if (r == 0 && !shim->maintenance)
		r = network_join_all(shim, err);
	r = r ?: start_machine(shim, err);
	r = r ?: network_connect_all(shim, err);
	r = r ?: publish_connect(shim, err);
	if (r < 0)
		return r;
	enter_group(shim, 0);
	return 0;
}

int boot_unclaimed(struct shim *shim, struct cor_error *err)
{
	int r = open_installation(shim, err);

	shim->may_use_saved = true;
	return r ?: start_machine(shim, err);
}

int boot_shape(struct shim *shim, char **ret, struct cor_error *err)
{
	const struct machine_config *machine = &shim->record.machine;
	/* That it can be written counts, and no more. */
	const struct vm_disk disk = {.overlay_fd = 0};
	struct vm_spec spec = {.accelerator = shim->accelerator.accelerator,
			       .tsc_khz = shim->accelerator.tsc_khz,
			       .cpus = machine->cpus,
			       .memory = machine->memory,
			       .kernel_fd = -1,
			       .initramfs_fd = -1,
			       .disks = &disk,
			       .disk_count = 1};
	int r = kernel_open(NULL, &spec.kernel_fd, NULL, err);

	r = r ?: initramfs_open(NULL, &spec.initramfs_fd, NULL, err);
	if (r == 0)
		*ret = saved_shape(&spec);
	close_fd(&spec.kernel_fd);
	close_fd(&spec.initramfs_fd);
	return r;
}

/* Its disk, in the place of the rehearsal's. */
static int exchange_disk(struct shim *shim, struct cor_error *err)
{
	struct vm_disk disk = no_disk(shim);
	int r = open_disk(shim, &disk, err);

	r = r ?: vm_exchange(shim->vm, 0, &disk, err);
	close_fd(&disk.overlay_fd);
	close_fd(&disk.base_fd);
	return r;
}

int boot_claimed(struct shim *shim, struct cor_error *err)
{
	int r;

	boot_await(shim, FAST_BOOT_MS);
	r = sockets_open(shim, err);
	if (r < 0)
		return r;
	open_console_log(shim);
	if (exchange_disk(shim, err) < 0) {
		boot_instead(shim, err);
	} else {
		shim_time(shim, "shim", "disk exchanged");
		guest_begin(shim);
	}
	if (shim->vm)
		enter_group(shim, shim->claimer);
	return 0;
}

/* CORACLE_TEMPLATES=off turns saved machines off. */
void boot_machine(struct shim *shim)
{
	struct cor_error err = {0};

	shim->may_use_saved =
		!shim->record.machine.no_template && !str_equal(getenv("CORACLE_TEMPLATES"), "off");
	if (boot(shim, &err) < 0)
		shim_fail(shim, &err);
}
