/* SPDX-License-Identifier: Apache-2.0 */
/* Runs QEMU: a child with descriptors instead of paths and as few rights as it can have.
 *
 * As root, the child gets namespaces of its own (no network, nothing of the host's /home, /root, /run, /tmp and /var, a /dev of three nodes), then a
 * user id that nobody else has. An ordinary user's QEMU keeps that user's id. Both then give up gaining privileges and turn on QEMU's own system call filter.
 * The namespaces are a further wall, not the first: where they cannot be had, the machine runs without, and a message says so.
 *
 * That the machine dies with its maker is PR_SET_PDEATHSIG's work, which must be asked for after the change of user, since that clears it. */
#include "vmm/qemu_args.h"
#include "vmm/qmp.h"
#include "vmm/vmm.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/close_range.h>

static const uint8_t discard[] = {
#include "vmm/discard_bytes.h"
};

#define COMMAND_TIMEOUT_MS 1000
#define SAVE_TRIES         2000
#define IMAGE_MAX          (UINT64_C(512) << 20) /* of a kernel or initramfs that has to be copied */

struct qemu {
	struct vm vm;
	struct qmp qmp;
};

/* ---- the program ---- */

/* CORACLE_QEMU, or the first in PATH and the usual folders. */
static char *find_program(const char *name)
{
	const char *given = getenv("CORACLE_QEMU");
	_free_ char *path = NULL;
	_strv_ struct strv folders = {0};
	const char *folder;

	if (!str_empty(given))
		return access(given, X_OK) == 0 ? xstrdup(given) : NULL;
	path = str_format("%s:/usr/local/bin:/usr/bin:/usr/libexec", getenv("PATH") ?: "");
	folders = strv_split(path, ':');
	strv_foreach (&folders, i, folder) {
		_free_ char *candidate = str_format("%s/%s", folder, name);

		if (*folder == '/' && access(candidate, X_OK) == 0)
			return steal_ptr(candidate);
	}
	return NULL;
}

char *qemu_program(void)
{
	return find_program(qemu_program_name(vm_arch_native()));
}

static int no_program(struct cor_error *err)
{
	return cor_fail(
		err, COR_NOT_FOUND, ENOENT,
		"there is no %s: install the package qemu-system-%s, or name the program with CORACLE_QEMU",
		qemu_program_name(vm_arch_native()), vm_arch_native() == VM_ARM64 ? "arm" : "x86");
}

static int qemu_probe(struct cor_error *err)
{
	_free_ char *program = qemu_program();

	return program ? 0 : no_program(err);
}

/* ---- files that another user must be able to open again ---- */

/* QEMU opens /proc/self/fd/N, and the kernel then asks for the file's own permissions. What others may not read goes as a sealed copy. */
static int readable_by_others(int fd, uid_t uid, int *ret_copy, struct cor_error *err)
{
	_free_ char *data = NULL;
	struct stat st;
	int copy;

	if (fstat(fd, &st) < 0)
		return cor_fail_errno(err, errno, "kernel or initramfs");
	if (uid == (uid_t)-1 || (st.st_mode & S_IROTH))
		return 0;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > IMAGE_MAX)
		return cor_fail(err, COR_INVALID, EINVAL,
				"the kernel or initramfs is no file of a sensible size");
	data = xmalloc((size_t)st.st_size);
	if (pread(fd, data, (size_t)st.st_size, 0) != st.st_size)
		return cor_fail(err, COR_CORRUPT, EIO, "cannot read the kernel or initramfs");
	copy = memfd_with("coracle-boot", data, (size_t)st.st_size);
	if (copy < 0)
		return cor_fail_errno(err, copy, "copy the kernel or initramfs");
	fchmod(copy, 0444);
	*ret_copy = copy;
	return 0;
}

/* What lets guests give memory back that lies on top of a sealed file; see discard.c. *ret_fd stays where it is not needed. */
static int open_discard(const struct vm_spec *spec, int *ret_fd, struct cor_error *err)
{
	if (!spec->saved || spec->saved->shared)
		return 0;
	*ret_fd = memfd_with("discard", discard, sizeof(discard));
	return *ret_fd < 0 ? cor_fail_errno(err, *ret_fd, "memory for the VMM") : 0;
}

/* ---- the child, between fork and exec: async-signal-safe calls only ---- */

struct child {
	char *const *argv, *const *environment;
	int program_fd, messages;
	const int *keep; /* descriptors that QEMU gets */
	size_t keep_count;
	uid_t uid; /* (uid_t)-1: stay */
	gid_t kvm_group;
	bool kvm;
	pid_t parent;
};

static void make_node(const char *path, mode_t mode, unsigned major, unsigned minor)
{
	if (mknod(path, S_IFCHR | mode, makedev(major, minor)) == 0)
		chmod(path, mode);
}

/* An empty file system over each folder where QEMU has no business. 0, or the first that failed: the others are hidden all the same. */
static int hide_folders(bool kvm)
{
	static const char *const hidden[] = {"/home", "/root", "/run",   "/tmp", "/var",
					     "/srv",  "/mnt",  "/media", "/boot"};
	struct stat st = {0};
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (mount("none", hidden[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
			  "size=4k,mode=555") < 0 &&
		    errno != ENOENT)
			r = r ?: -errno;
	if (kvm && stat("/dev/kvm", &st) < 0)
		return r ?: -errno;
	if (mount("none", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4k,mode=755") < 0)
		return r ?: -errno;
	make_node("/dev/null", 0666, 1, 3);
	make_node("/dev/urandom", 0444, 1, 9);
	if (kvm)
		make_node("/dev/kvm", 0666, major(st.st_rdev), minor(st.st_rdev));
	return r;
}

/* Where namespaces cannot be had the machine runs without, but not in silence. */
static void confine(const struct child *child)
{
	int folders = hide_folders(child->kvm);
	int others = unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ? -errno : 0;

	if (folders < 0 || others < 0)
		dprintf(2, UNCONFINED "the host's %s are QEMU's as well: %s\n",
			folders == 0  ? "network, IPC and name"
			: others == 0 ? "folders"
				      : "folders, network, IPC and name",
			strerror(-(folders ?: others)));
}

static int drop_privileges(const struct child *child)
{
	struct rlimit none = {0};

	if (child->uid != (uid_t)-1) {
		confine(child);
		if (setgroups(child->kvm ? 1 : 0, &child->kvm_group) < 0 ||
		    setresgid((gid_t)child->uid, (gid_t)child->uid, (gid_t)child->uid) < 0 ||
		    setresuid(child->uid, child->uid, child->uid) < 0)
			return -errno;
	}
	/* Its memory is the guest's: nothing of it goes into a core file. */
	setrlimit(RLIMIT_CORE, &none);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == child->parent ? 0 : -ESRCH;
}

static int keep_descriptors(const struct child *child)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(child->messages, 1) < 0 || dup2(child->messages, 2) < 0)
		return -errno;
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < child->keep_count; i++)
		if (child->keep[i] >= 0 && fcntl(child->keep[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

static _Noreturn void child_main(const struct child *child)
{
	sigset_t none;
	int r;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	r = keep_descriptors(child);
	r = r ?: drop_privileges(child);
	if (r == 0) {
		syscall(SYS_execveat, child->program_fd, "", child->argv, child->environment, AT_EMPTY_PATH);
		r = -errno;
	}
	dprintf(2, "cannot start QEMU: %s\n", strerror(-r));
	_exit(127);
}

/* ---- starting ---- */

/* The number of a disk is what its node's name ends in. */
static void note_disk_error(struct vm *vm, const json_t *data)
{
	const char *node = NULL, *reason = NULL;
	size_t letters;

	if (json_get_string(data, "node-name", &node) < 0 || json_get_string(data, "reason", &reason) < 0 ||
	    !node)
		return;
	letters = strspn(node, "abcdefghijklmnopqrstuvwxyz");
	if (str_made_of(node + letters, 2, "0123456789")) {
		uint64_t bit = UINT64_C(1) << (atoi(node + letters) & 63);

		vm->failed_disks |= bit;
		/* Its member "nospace" is set only for disks whose errors stop the machine. */
		vm->full_disks |= str_equal(reason, strerror(ENOSPC)) ? bit : 0;
	}
}

static void on_event(const char *name, const json_t *data, void *user)
{
	struct qemu *qemu = user;
	const char *reason = NULL;
	bool open = false;

	if (str_equal(name, "BLOCK_IO_ERROR") && data)
		note_disk_error(&qemu->vm, data);

	/* QEMU's words for it ("guest-panic"); from one that its guest has taken over, nothing else is shown to people. */
	if (str_equal(name, "SHUTDOWN") && data && json_get_string(data, "reason", &reason) == 0 && reason &&
	    str_made_of(reason, sizeof(qemu->vm.end) - 1, "abcdefghijklmnopqrstuvwxyz-"))
		snprintf(qemu->vm.end, sizeof(qemu->vm.end), "%s", reason);
	else if (str_equal(name, "RESUME"))
		qemu->vm.resumed_ns = clock_monotonic_ns();
	else if (str_equal(name, QMP_REFUSED))
		vm_kill(&qemu->vm); /* what was posted began the machine */
	else if (str_equal(name, "VSERPORT_CHANGE") && data && json_get_bool(data, "open", &open) == 0 &&
		 open)
		qemu->vm.listening = true;
}

/* Memory that is a file stays out of the state. */
static int post_capability(struct qemu *qemu)
{
	_json_ json_t *arguments =
		json_pack("{s:[{s:s, s:b}]}", "capabilities", "capability", "x-ignore-shared", "state", 1);

	return qmp_post(&qemu->qmp, "migrate-set-capabilities", arguments);
}

/* QEMU has not begun to listen, but finds these when it does. */
static int post_incoming(struct qemu *qemu, const struct vm_memory *saved)
{
	_json_ json_t *arguments = json_pack("{s:o}", "uri", json_sprintf("fd:%d", saved->state_fd));
	/* Nobody on the network is to be told of a machine that has moved. */
	_json_ json_t *quiet = json_pack("{s:i}", "announce-rounds", 0);
	int r = post_capability(qemu);

	r = r ?: qmp_post(&qemu->qmp, "migrate-set-parameters", quiet);
	return r ?: qmp_post(&qemu->qmp, "migrate-incoming", arguments);
}

static int make_pair(int *ret_ours, int *ret_theirs, struct cor_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return cor_fail_errno(err, errno, "socket pair");
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static void qemu_free(struct vm *vm)
{
	struct qemu *qemu = container_of(vm, struct qemu, vm);

	if (vm->pidfd >= 0) {
		siginfo_t info;

		vm_kill(vm);
		while (waitid(P_PID, (id_t)vm->pid, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	close_fd(&vm->pidfd);
	close_fd(&vm->agent_fd);
	close_fd(&vm->console_fd);
	close_fd(&vm->messages_fd);
	close_fd(&vm->control_fd);
	qmp_release(&qemu->qmp);
	free(qemu);
}

static struct qemu *qemu_new(void)
{
	struct qemu *qemu = xcalloc(1, sizeof(*qemu));

	qemu->vm = (struct vm){.driver = &vmm_qemu,
			       .pidfd = -1,
			       .agent_fd = -1,
			       .console_fd = -1,
			       .messages_fd = -1,
			       .control_fd = -1};
	return qemu;
}

static int spawn(struct qemu *qemu, const struct child *child, struct cor_error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return cor_fail_errno(err, errno, "cannot start QEMU");
	if (pid == 0)
		child_main(child);
	qemu->vm.pid = pid;
	qemu->vm.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (qemu->vm.pidfd < 0) {
		int r = -errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return cor_fail_errno(err, r, "pidfd");
	}
	return 0;
}

static size_t count_queues(const struct vm_spec *spec)
{
	size_t count = 0;

	for (size_t i = 0; i < spec->nic_count; i++)
		count += spec->nics[i].queues;
	return count;
}

/* Everything but the description's own files: sockets, argument list, child. */
static int launch(struct qemu *qemu, const struct vm_spec *spec, const char *program, struct cor_error *err)
{
	_fd_ int agent = -1, console = -1, control = -1, library = -1,
		 program_fd = open(program, O_PATH | O_CLOEXEC);
	_free_ int *keep =
		xcalloc(8 + 2 * spec->disk_count + 2 * count_queues(spec) + spec->share_count, sizeof(int));
	_strv_ struct strv args = {0};
	_free_ char *preload = NULL;
	struct stat kvm = {0};
	int messages[2] = {-1, -1}, r;
	size_t count = 0;

	if (program_fd < 0)
		return cor_fail_errno(err, errno, "cannot open '%s'", program);
	r = make_pair(&qemu->vm.agent_fd, &agent, err);
	r = r ?: make_pair(&qemu->vm.console_fd, &console, err);
	r = r ?: make_pair(&qemu->vm.control_fd, &control, err);
	r = r ?: open_discard(spec, &library, err);
	if (r < 0)
		return r;
	r = qemu_args(vm_arch_native(), spec,
		      &(struct qemu_fds){.agent = agent, .console = console, .control = control}, &args, err);
	if (r < 0)
		return r;
	if (pipe2(messages, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "pipe");
	qemu->vm.messages_fd = messages[0];
	keep[count++] = agent;
	keep[count++] = console;
	keep[count++] = control;
	keep[count++] = library;
	keep[count++] = spec->kernel_fd;
	keep[count++] = spec->initramfs_fd;
	if (spec->saved) {
		keep[count++] = spec->saved->fd;
		keep[count++] = spec->saved->state_fd;
	}
	for (size_t i = 0; i < spec->disk_count; i++) {
		keep[count++] = spec->disks[i].base_fd;
		keep[count++] = spec->disks[i].overlay_fd;
	}
	for (size_t i = 0; i < spec->nic_count; i++)
		for (unsigned queue = 0; queue < spec->nics[i].queues; queue++) {
			keep[count++] = spec->nics[i].fds[queue];
			keep[count++] = spec->nics[i].vhost_fds ? spec->nics[i].vhost_fds[queue] : -1;
		}
	for (size_t i = 0; i < spec->share_count; i++)
		keep[count++] = spec->shares[i].fd;
	if (library >= 0)
		preload = str_format("LD_PRELOAD=/proc/self/fd/%d", library);
	stat("/dev/kvm", &kvm);
	r = spawn(qemu,
		  &(struct child){.argv = args.items,
				  .environment = (char *[]){preload, NULL},
				  .program_fd = program_fd,
				  .messages = messages[1],
				  .keep = keep,
				  .keep_count = count,
				  .uid = geteuid() == 0 ? spec->uid : (uid_t)-1,
				  .kvm = spec->accelerator == VM_KVM,
				  .kvm_group = kvm.st_gid,
				  .parent = getpid()},
		  err);
	close(messages[1]);
	if (r < 0)
		return r;
	fd_set_nonblocking(qemu->vm.messages_fd, true);
	fd_set_nonblocking(qemu->vm.console_fd, true);
	fd_set_nonblocking(qemu->vm.agent_fd, true);
	r = qmp_init(&qemu->qmp, qemu->vm.control_fd, on_event, qemu);
	if (r == 0 && spec->saved)
		r = spec->saved->shared ? post_capability(qemu) : post_incoming(qemu, spec->saved);
	return r < 0 ? cor_fail(err, COR_UNAVAILABLE, r, "QEMU ended at once") : 0;
}

static int qemu_start(const struct vm_spec *spec, struct vm **ret_vm, struct cor_error *err)
{
	_free_ char *program = spec->program ? xstrdup(spec->program) : qemu_program();
	_fd_ int kernel_copy = -1, initramfs_copy = -1;
	struct vm_spec own = *spec;
	struct qemu *qemu;
	int r;

	if (!program)
		return no_program(err);
	r = readable_by_others(spec->kernel_fd, spec->uid, &kernel_copy, err);
	r = r ?: readable_by_others(spec->initramfs_fd, spec->uid, &initramfs_copy, err);
	if (r < 0)
		return r;
	if (kernel_copy >= 0)
		own.kernel_fd = kernel_copy;
	if (initramfs_copy >= 0)
		own.initramfs_fd = initramfs_copy;
	qemu = qemu_new();
	r = launch(qemu, &own, program, err);
	if (r < 0) {
		qemu_free(&qemu->vm);
		return r;
	}
	*ret_vm = &qemu->vm;
	return 0;
}

/* ---- control ---- */

static int qemu_process_control(struct vm *vm, struct cor_error *err)
{
	struct qmp *qmp = &container_of(vm, struct qemu, vm)->qmp;
	int r = qmp_process(qmp);

	if (qmp->answered && !vm->ready_ns)
		vm->ready_ns = clock_monotonic_ns();
	return r < 0 ? cor_fail(err, COR_UNAVAILABLE, r, "QEMU has gone") : 0;
}

static int qemu_pause(struct vm *vm, struct cor_error *err)
{
	return qmp_execute(&container_of(vm, struct qemu, vm)->qmp, "stop", NULL, NULL, COMMAND_TIMEOUT_MS,
			   err);
}

static int qemu_resume(struct vm *vm, struct cor_error *err)
{
	return qmp_execute(&container_of(vm, struct qemu, vm)->qmp, "cont", NULL, NULL, COMMAND_TIMEOUT_MS,
			   err);
}

/* Whether the state is written. 1, 0 not yet, -errno. */
static int saved(struct qemu *qemu, struct cor_error *err)
{
	_json_ json_t *answer = NULL;
	const char *status = NULL;
	int r = qmp_execute(&qemu->qmp, "query-migrate", NULL, &answer, COMMAND_TIMEOUT_MS, err);

	if (r < 0)
		return r;
	json_get_string(answer, "status", &status);
	if (str_equal(status, "failed"))
		return cor_fail(err, COR_INTERNAL, EIO, "QEMU cannot save the machine");
	return str_equal(status, "completed");
}

static int qemu_save(struct vm *vm, int state_fd, struct cor_error *err)
{
	struct qemu *qemu = container_of(vm, struct qemu, vm);
	_json_ json_t *where = json_pack("{s:s}", "uri", "fd:state");
	struct timespec pause = {.tv_nsec = 5000000};
	int r;

	/* Migration stops the guest at its end; one that stood still before would not go on by itself. */
	r = qmp_give(&qemu->qmp, "state", state_fd, COMMAND_TIMEOUT_MS, err);
	r = r ?: qmp_execute(&qemu->qmp, "migrate", where, NULL, COMMAND_TIMEOUT_MS, err);
	for (int i = 0; r == 0 && i < SAVE_TRIES; i++) {
		r = saved(qemu, err);
		if (r == 0)
			nanosleep(&pause, NULL);
	}
	return r == 0 ? cor_fail(err, COR_TIMEOUT, ETIMEDOUT, "QEMU does not get the machine saved")
		      : MIN(r, 0);
}

/* ---- another disk ---- */

#define NEW_SETS 64 /* sets of descriptors above those of the command line */

static int post_file(struct qemu *qemu, int fd, size_t set)
{
	_json_ json_t *arguments = json_pack("{s:I}", "fdset-id", (json_int_t)set);

	return qmp_post_with(&qemu->qmp, "add-fd", arguments, fd);
}

static int post_node(struct qemu *qemu, char *text)
{
	_free_ char *options = text;
	_json_ json_t *arguments = qmp_options(options);

	return qmp_post(&qemu->qmp, "blockdev-add", arguments);
}

static void post_removal(struct qemu *qemu, const char *name, size_t index)
{
	_json_ json_t *arguments = json_pack("{s:o}", "node-name", json_sprintf("%s%zu", name, index));

	qmp_post(&qemu->qmp, "blockdev-del", arguments);
}

/* The answer to the last command tells of all: one that is refused before it has it refused too. */
static int qemu_exchange(struct vm *vm, size_t index, const struct vm_disk *disk, struct cor_error *err)
{
	struct qemu *qemu = container_of(vm, struct qemu, vm);
	size_t set = NEW_SETS + 2 * index;
	_json_ json_t *reopen = json_pack("{s:[{s:s, s:o, s:s, s:o}]}", "options", "driver", "raw",
					  "node-name", json_sprintf("disk%zu", index), "discard", "unmap",
					  "file", json_sprintf("new%zu", index));
	int r = post_file(qemu, disk->base_fd, set);

	r = r ?: post_file(qemu, disk->overlay_fd, set + 1);
	r = r ?: post_node(qemu, qemu_new_base(index, set));
	r = r ?: post_node(qemu, qemu_new_overlay(disk, index, set + 1));
	if (r < 0)
		return cor_fail(err, COR_UNAVAILABLE, r, "QEMU has gone");
	r = qmp_execute(&qemu->qmp, "blockdev-reopen", reopen, NULL, COMMAND_TIMEOUT_MS, err);
	if (r < 0)
		return r;
	post_removal(qemu, "root", index);
	post_removal(qemu, "base", index);
	return 0;
}

const struct vmm_driver vmm_qemu = {
	.name = "qemu",
	.probe = qemu_probe,
	.start = qemu_start,
	.process_control = qemu_process_control,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.save = qemu_save,
	.exchange = qemu_exchange,
	.free = qemu_free,
};
