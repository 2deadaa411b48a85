/* SPDX-License-Identifier: Apache-2.0 */
/* Making the saved machine of a shape: one boots until its guest waits for its host, is saved, and tried out. A process of its own does it, behind the start that found
 * none, and in no hurry. */
#include "shim/saved.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/size.h"
#include "container/detach.h"
#include "image/rootfs.h"
#include "net/address.h"
#include "net/tap.h"
#include "rpc/handshake.h"
#include "shim/installation.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define LISTEN_MS   60000 /* until a machine that is to be saved waits for its host … */
#define SETTLE_MS   300   /* … and until its kernel has nothing left to do */
#define ANSWER_MS   10000
#define DEVICES_MAX 24
/* Of a disk that a volume will take the place of: the guest keeps this size, so that it must be none of theirs that is larger. */
#define VOLUME_SIZE (64 * TIB)
/* The kernel hands it on to init, as a variable of its environment. */
#define GUEST_WAITS "coracle_wait=1"

char *saved_describe(const struct vm_spec *spec)
{
	_free_ char *disks = saved_disks(spec), *nics = saved_nics(spec);
	_json_ json_t *machine =
		json_pack("{s:i, s:I, s:b, s:s, s:s, s:s}", "cpus", (int)spec->cpus, "memory",
			  (json_int_t)spec->memory, "nested", (int)spec->nested, "accelerator",
			  vm_accelerator_name(spec->accelerator), "disks", disks, "nics", nics);

	return json_dumps(machine, JSON_COMPACT);
}

void saved_request(const struct roots *roots, const char *description)
{
	struct cor_error err;

	if (process_detach((const char *const[]){"/proc/self/exe", "--save", description, "--data",
						 roots->data, "--run", roots->run, NULL},
			   STDERR_FILENO, STDERR_FILENO, &err) < 0)
		log_warning("%s", err.msg);
}

/* ---- what it is made of ---- */

/* A description, and what stands for the things that a machine gets only when it goes on. */
struct model {
	struct vm_spec spec;
	const char *accelerator, *disk_letters, *nic_letters; /* borrowed from the document */
	struct vm_disk disks[DEVICES_MAX];
	struct vm_nic nics[DEVICES_MAX];
	char macs[DEVICES_MAX][MAC_TEXT_SIZE];
	struct tap taps[DEVICES_MAX]; /* or, of streams, both ends of a socket pair */
};

static int read_model(const json_t *document, struct model *model, struct cor_error *err)
{
	int64_t cpus = 0, memory = 0;
	int r = json_get_int(document, "cpus", &cpus);

	r = r ?: json_get_int(document, "memory", &memory);
	r = r ?: json_get_bool(document, "nested", &model->spec.nested);
	r = r ?: json_get_string(document, "accelerator", &model->accelerator);
	r = r ?: json_get_string(document, "disks", &model->disk_letters);
	r = r ?: json_get_string(document, "nics", &model->nic_letters);
	if (r < 0 || cpus < 1 || cpus > 255 || memory < 1 ||
	    !str_made_of(model->disk_letters, DEVICES_MAX, "wr") ||
	    (!str_empty(model->nic_letters) && !str_made_of(model->nic_letters, DEVICES_MAX, "ts")))
		return cor_fail(err, COR_INVALID, EINVAL, "--save takes the description of a machine");
	model->spec.cpus = (unsigned)cpus;
	model->spec.memory = (uint64_t)memory;
	return 0;
}

static void add_disks(struct model *model)
{
	size_t count = strlen(model->disk_letters);

	for (size_t i = 0; i < count; i++)
		model->disks[i] = (struct vm_disk){.serial = i == 0 ? "root" : "blank",
						   .base_fd = -1,
						   .overlay_fd = -1,
						   .writable = model->disk_letters[i] == 'w',
						   .blank = i == 0 ? DISK_SIZE : VOLUME_SIZE};
	model->spec.disks = model->disks;
	model->spec.disk_count = count;
}

static int make_stream(struct tap *tap)
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, tap->queues) < 0 ? -errno
										   : (tap->count = 2, 0);
}

/* Its taps are in a network namespace that nobody else sees. */
static int add_nics(struct model *model, struct cor_error *err)
{
	size_t count = model->nic_letters ? strlen(model->nic_letters) : 0;
	int r = strchr(model->nic_letters ?: "", 't') && unshare(CLONE_NEWNET) < 0 ? -errno : 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		bool is_tap = model->nic_letters[i] == 't';
		char name[16];
		uint8_t mac[6];

		snprintf(name, sizeof(name), "tap%zu", i);
		saved_mac(i, mac);
		r = is_tap ? tap_open(name, 0, &model->taps[i]) : make_stream(&model->taps[i]);
		model->nics[i] = (struct vm_nic){.kind = is_tap ? VM_NIC_TAP : VM_NIC_STREAM,
						 .fds = model->taps[i].queues,
						 .queues = 1,
						 .mac = mac_format(mac, model->macs[i])};
	}
	model->spec.nics = model->nics;
	model->spec.nic_count = count;
	return r < 0 ? cor_fail_errno(err, r, "cards for the machine that is to be saved") : 0;
}

static void model_release(struct model *model)
{
	for (size_t i = 0; i < DEVICES_MAX; i++)
		tap_close(&model->taps[i]);
	close_fd(&model->spec.kernel_fd);
	close_fd(&model->spec.initramfs_fd);
}

static int fill_model(const struct roots *roots, struct model *model, struct cor_error *err)
{
	_free_ char *program = qemu_program();
	struct accelerator_choice choice;
	int r = kernel_open(NULL, &model->spec.kernel_fd, NULL, err);

	r = r ?: initramfs_open(NULL, &model->spec.initramfs_fd, NULL, err);
	r = r
		    ?: accelerator_choose(roots->run_fd, model->accelerator, model->spec.kernel_fd, program,
					  &choice, err);
	if (r < 0)
		return r;
	model->spec.accelerator = choice.accelerator;
	model->spec.tsc_khz = choice.tsc_khz;
	add_disks(model);
	return add_nics(model, err);
}

/* ---- saving it ---- */

/* What the VMM says is worth a line, what the guest's console says is not. */
static void drain(const struct vm *vm)
{
	char text[1024];
	ssize_t n = read(vm->messages_fd, text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		log_warning("VMM: %s", text);
	}
	while (read(vm->console_fd, text, sizeof(text)) > 0)
		;
}

/* Until the guest waits for its host, and then until it is quiet. */
static int await_guest(struct vm *vm, struct cor_error *err)
{
	uint64_t deadline = clock_monotonic_ns() + LISTEN_MS * UINT64_C(1000000);
	bool settling = false;

	for (;;) {
		struct pollfd ready[] = {{.fd = vm->pidfd, .events = POLLIN},
					 {.fd = vm->control_fd, .events = POLLIN},
					 {.fd = vm->console_fd, .events = POLLIN},
					 {.fd = vm->messages_fd, .events = POLLIN}};
		uint64_t now = clock_monotonic_ns();

		if (now >= deadline)
			return settling ? 0
					: cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
						   "the machine to be saved does not wait for its host");
		poll(ready, ARRAY_SIZE(ready), (int)((deadline - now) / 1000000) + 1);
		drain(vm);
		if (ready[0].revents)
			return cor_fail(err, COR_UNAVAILABLE, ECHILD, "the machine to be saved has ended");
		if (ready[1].revents && vm_process_control(vm, err) < 0)
			return -ECONNRESET;
		if (vm->listening && !settling) {
			settling = true;
			deadline = clock_monotonic_ns() + SETTLE_MS * UINT64_C(1000000);
		}
	}
}

/* A machine that answers has begun from it as others will. */
static int await_answer(struct vm *vm, struct cor_error *err)
{
	static const uint8_t secret[HANDSHAKE_SECRET_SIZE] = {1};
	struct handshake_host handshake;
	struct pollfd line = {.fd = vm->agent_fd, .events = POLLIN};
	uint8_t data[4096];
	size_t used;

	if (handshake_host_init(&handshake, secret) < 0 ||
	    fd_write_all(vm->agent_fd, handshake.hello, sizeof(handshake.hello)) < 0)
		return cor_fail(err, COR_INTERNAL, EIO, "no greeting for the saved machine");
	while (poll(&line, 1, ANSWER_MS) == 1) {
		ssize_t n = read(vm->agent_fd, data, sizeof(data));

		if (n <= 0)
			break;
		if (handshake_host_feed(&handshake, data, (size_t)n, &used))
			return 0;
	}
	drain(vm);
	return cor_fail(err, COR_UNAVAILABLE, EPROTO, "the saved machine does not go on");
}

/* Boots a machine into memory, and writes the rest of it to state. */
static int boot_and_save(const struct vm_spec *spec, int state, struct cor_error *err)
{
	struct vm *vm = NULL;
	int r = vm_start(vmm_drivers[0], spec, &vm, err);

	r = r ?: await_guest(vm, err);
	r = r ?: vm_save(vm, state, err);
	vm_free(vm);
	return r < 0 || lseek(state, 0, SEEK_SET) == 0 ? r
						       : cor_fail_errno(err, errno, "the machine's state");
}

static int try_out(const struct vm_spec *spec, struct cor_error *err)
{
	struct vm *vm = NULL;
	int r = vm_start(vmm_drivers[0], spec, &vm, err);

	r = r ?: await_answer(vm, err);
	vm_free(vm);
	return r;
}

static int make(const struct roots *roots, struct vm_spec *spec, const char *shape,
		struct template_maker *maker, struct cor_error *err)
{
	_fd_ int memory = memfd_create("coracle-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	_fd_ int state = memfd_create("coracle-state", MFD_CLOEXEC);
	struct vm_memory saved = {.fd = memory, .shared = true, .state_fd = -1};
	int r;

	if (memory < 0 || state < 0 || ftruncate(memory, (off_t)spec->memory) < 0)
		return cor_fail_errno(err, errno, "memory for the machine");
	spec->saved = &saved;
	spec->kernel_args = (const char *const[]){GUEST_WAITS, NULL};
	r = boot_and_save(spec, state, err);
	if (r < 0)
		return r;
	/* The one that is tried out gives memory back, and must not take it from what was saved. */
	if (fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return cor_fail_errno(err, errno, "memory of the machine");
	saved = (struct vm_memory){.fd = memory, .state_fd = state};
	r = try_out(spec, err);
	return r < 0 ? r : template_publish(roots, maker, shape, memory, state, err);
}

int save_machine(const struct roots *roots, const char *description, struct cor_error *err)
{
	_cleanup_(model_release) struct model model = {
		.spec = {.name = "template", .uid = VMM_UID_BASE, .kernel_fd = -1, .initramfs_fd = -1}};
	struct template_maker maker = {.dir = -1};
	_json_ json_t *document = NULL;
	_free_ char *shape = NULL;
	int r = json_parse_object(description, strlen(description), "--save", &document, err);

	for (size_t i = 0; i < DEVICES_MAX; i++)
		tap_init(&model.taps[i]);
	/* Whatever is worth waiting for comes first. */
	setpriority(PRIO_PROCESS, 0, 10);
	r = r ?: read_model(document, &model, err);
	r = r ?: fill_model(roots, &model, err);
	if (r == 0) {
		shape = saved_shape(&model.spec);
		r = template_begin(roots, shape, &maker, err);
	}
	r = r ?: make(roots, &model.spec, shape, &maker, err);
	template_maker_release(roots, &maker);
	return r == -EBUSY || r == -EEXIST ? 0 : r;
}
