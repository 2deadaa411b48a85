/* SPDX-License-Identifier: Apache-2.0 */
/* Measures KVM with a loop of a million turns: half a millisecond on hardware, seconds where instructions are emulated. The vCPU runs
 * in a child process, because a vCPU that does not come back can only be killed. What is known is kept in one small file, which is replaced as a
 * whole. Of many who come at once one measures and the others wait: they would measure each other. */
#include "vmm/accelerator.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <linux/kvm.h>
#include <x86intrin.h>
#endif

#define FILE_NAME   "accelerator.json"
#define FILE_MAX    65536
#define LOCK_NAME   "accelerator.lock"
#define DEADLINE_MS 100
#define TRIES       3
#define SLOW_CPU_MS 50 /* of processor time: final, where hardware needs half a millisecond */
#define MAX_FAILED  64

/* Of the time stamp counter: the middle one of several samples counts. */
#define SAMPLES       5
#define SAMPLE_NS     5000000
#define INSTANT_TRIES 20
#define INSTANT_TICKS 30000 /* about ten microseconds */

const char *vm_accelerator_name(enum vm_accelerator accelerator)
{
	return accelerator == VM_KVM ? "kvm" : "tcg";
}

/* ---- the throwaway vCPU ---- */

enum outcome { COUNTED, NO_DEVICE, NO_MACHINE, WRONG_EXIT, TOO_SLOW };

#if defined(__x86_64__)

/* mov ecx, 1000000; again: dec ecx; jnz again; hlt. In real mode, at address 0. */
static const uint8_t counting_loop[] = {0x66, 0xb9, 0x40, 0x42, 0x0f, 0x00, 0x66, 0x49, 0x75, 0xfc, 0xf4};

static enum outcome count_in_vcpu(int kvm)
{
	struct kvm_userspace_memory_region region = {.memory_size = 4096};
	int machine = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_regs regs = {.rflags = 2};
	struct kvm_sregs sregs;
	struct kvm_run *run;
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (machine < 0 || size < (int)sizeof(*run) || memory == MAP_FAILED)
		return NO_MACHINE;
	memcpy(memory, counting_loop, sizeof(counting_loop));
	region.userspace_addr = (uintptr_t)memory;
	vcpu = ioctl(machine, KVM_CREATE_VCPU, 0);
	if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region) < 0 || vcpu < 0)
		return NO_MACHINE;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED || ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return NO_MACHINE;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return NO_MACHINE;
	while (ioctl(vcpu, KVM_RUN, 0) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return NO_MACHINE;
	return run->exit_reason == KVM_EXIT_HLT ? COUNTED : WRONG_EXIT;
}

#elif defined(__aarch64__)

/* On arm64 no host is known whose KVM emulates: that a machine can be made is enough. */
#include <linux/kvm.h>
static enum outcome count_in_vcpu(int kvm)
{
	return ioctl(kvm, KVM_CREATE_VM, 0) < 0 ? NO_MACHINE : COUNTED;
}

#else

static enum outcome count_in_vcpu(int kvm)
{
	return NO_MACHINE;
}

#endif

/* Waits for the child with a deadline; kills one that is late. ret_cpu_ms is what it used of the processor. */
static enum outcome await_outcome(pid_t child, unsigned long long *ret_cpu_ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0), status = 0;
	struct pollfd ready = {.fd = pidfd, .events = POLLIN};
	bool late = pidfd < 0 || poll(&ready, 1, DEADLINE_MS) <= 0;
	struct rusage used = {0};

	if (pidfd >= 0)
		close(pidfd);
	if (late)
		kill(child, SIGKILL);
	while (wait4(child, &status, 0, &used) < 0 && errno == EINTR)
		;
	*ret_cpu_ms = (unsigned long long)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
		      (unsigned long long)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
	if (late)
		return TOO_SLOW;
	return WIFEXITED(status) ? (enum outcome)WEXITSTATUS(status) : WRONG_EXIT;
}

/* On a busy host a child may be late because it was not let run: that is tried again, before KVM is given up for the boot. */
static enum outcome count_in_child(int kvm)
{
	enum outcome outcome = TOO_SLOW;
	unsigned long long cpu_ms = 0;
	pid_t parent = getpid();

	for (int i = 0; outcome == TOO_SLOW && cpu_ms < SLOW_CPU_MS && i < TRIES; i++) {
		pid_t child = fork();

		if (child < 0)
			return NO_MACHINE;
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(getppid() == parent ? count_in_vcpu(kvm) : NO_MACHINE);
		}
		outcome = await_outcome(child, &cpu_ms);
	}
	return outcome;
}

void accelerator_measure(const char *device, struct accelerator_measurement *ret)
{
	_fd_ int kvm = open(device, O_RDWR | O_CLOEXEC);
	enum outcome outcome = NO_DEVICE;
	int reason = errno;
	uint64_t began = clock_monotonic_ns();

	*ret = (struct accelerator_measurement){0};
	if (kvm < 0) {
		snprintf(ret->reason, sizeof(ret->reason), "%s: %s", device, strerror(reason));
		return;
	}
	outcome = count_in_child(kvm);
	ret->usable = outcome == COUNTED;
	switch (outcome) {
	case COUNTED:
		snprintf(ret->reason, sizeof(ret->reason), "a million turns of a loop took %.1f ms in a vCPU",
			 (double)(clock_monotonic_ns() - began) / 1e6);
		return;
	case TOO_SLOW:
		snprintf(ret->reason, sizeof(ret->reason),
			 "%s is there, but a million turns of a loop take more than %d ms in a vCPU: it "
			 "emulates",
			 device, DEADLINE_MS);
		return;
	default:
		snprintf(ret->reason, sizeof(ret->reason), "%s opens, but a vCPU does not run", device);
		return;
	}
}

/* ---- the host's time stamp counter ---- */

#if defined(__x86_64__)

struct instant {
	uint64_t ns, tsc;
};

/* Both clocks at once: a long gap says that between them somebody else had our processor. The closest of several counts, where none is close. */
static struct instant now(void)
{
	uint64_t gap = UINT64_MAX;
	struct instant instant = {0};

	for (int i = 0; gap > INSTANT_TICKS && i < INSTANT_TRIES; i++) {
		uint64_t before = __rdtsc(), after;
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		after = __rdtsc();
		if (after - before >= gap)
			continue;
		gap = after - before;
		instant.ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
		instant.tsc = before + gap / 2;
	}
	return instant;
}

static uint64_t sample_tsc_khz(void)
{
	struct timespec pause = {.tv_nsec = SAMPLE_NS};
	struct instant begin = now(), end;

	nanosleep(&pause, NULL);
	end = now();
	return (uint64_t)((double)(end.tsc - begin.tsc) * 1e6 / (double)(end.ns - begin.ns) + 0.5);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t measure_tsc_khz(void)
{
	uint64_t samples[SAMPLES];
	unsigned a, b, c, d;

	/* CPUID 0x80000007: EDX bit 8 says that the counter runs at one rate, whatever the core does. */
	if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & (1u << 8)))
		return 0;
	for (int i = 0; i < SAMPLES; i++)
		samples[i] = sample_tsc_khz();
	qsort(samples, SAMPLES, sizeof(*samples), compare);
	return samples[SAMPLES / 2];
}

#else

static uint64_t measure_tsc_khz(void)
{
	return 0;
}

#endif

/* ---- what is remembered ---- */

/* Whoever measures, or changes the file, holds this. */
static int take_lock(int run_fd, int *ret_fd)
{
	_fd_ int fd = openat(run_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static char *boot_id(void)
{
	char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL) < 0)
		return xstrdup("unknown");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* The file of this boot; NULL when there is none, or one of another boot, or a damaged one: measured again, it is whole again. */
static json_t *recall(int run_fd)
{
	_json_ json_t *document = NULL;
	_free_ char *boot = boot_id();
	struct cor_error ignored;
	const char *of = NULL;

	if (json_read_file(run_fd, FILE_NAME, FILE_MAX, &document, &ignored) < 0)
		return NULL;
	if (json_get_string(document, "boot", &of) < 0 || !str_equal(of, boot))
		return NULL;
	return steal_ptr(document);
}

static json_t *measure(void)
{
	struct accelerator_measurement found;
	_free_ char *boot = boot_id();

	accelerator_measure("/dev/kvm", &found);
	return json_pack("{s:s, s:b, s:s, s:I, s:[]}", "boot", boot, "kvm", (int)found.usable, "reason",
			 found.reason, "tscKhz", (json_int_t)measure_tsc_khz(), "failed");
}

static int recall_or_measure(int run_fd, json_t **ret, struct cor_error *err)
{
	_json_ json_t *document = recall(run_fd);
	_fd_ int lock = -1;
	int r = document ? 0 : take_lock(run_fd, &lock);

	if (r < 0)
		return cor_fail_errno(err, r, "%s", LOCK_NAME);
	if (!document)
		document = recall(run_fd);
	if (!document) {
		document = measure();
		r = json_write_file(run_fd, FILE_NAME, document, 0600, err);
	}
	if (r == 0)
		*ret = steal_ptr(document);
	return r;
}

/* Names a kernel and a VMM by their files, and what they are for: another version is another inode, size or time. */
static char *combination(int kernel_fd, const char *program)
{
	struct stat kernel = {0}, vmm = {0};
	struct utsname host;

	if (kernel_fd < 0 || !program || fstat(kernel_fd, &kernel) < 0 || stat(program, &vmm) < 0 ||
	    uname(&host) < 0)
		return NULL;
	return str_format("%s-%llx-%llx-%llx-%llx-%llx-%llx", host.machine, (unsigned long long)kernel.st_ino,
			  (unsigned long long)kernel.st_size, (unsigned long long)kernel.st_mtime,
			  (unsigned long long)vmm.st_ino, (unsigned long long)vmm.st_size,
			  (unsigned long long)vmm.st_mtime);
}

static bool has_failed(const json_t *document, const char *key)
{
	_strv_ struct strv failed = {0};

	return key && json_get_strv(document, "failed", &failed) == 0 && strv_contains(&failed, key);
}

int accelerator_distrust(int run_fd, int kernel_fd, const char *program, struct cor_error *err)
{
	_fd_ int lock = -1;
	_json_ json_t *document = NULL;
	_free_ char *key = combination(kernel_fd, program);
	json_t *failed = NULL;
	int r = take_lock(run_fd, &lock);

	if (r < 0)
		return cor_fail_errno(err, r, "%s", LOCK_NAME);
	document = recall(run_fd) ?: measure();
	if (!key || has_failed(document, key))
		return 0;
	json_get_array(document, "failed", &failed);
	if (!failed) {
		failed = json_array();
		json_object_set_new(document, "failed", failed);
	}
	if (json_array_size(failed) >= MAX_FAILED)
		json_array_clear(failed);
	json_array_append_new(failed, json_string(key));
	return json_write_file(run_fd, FILE_NAME, document, 0600, err);
}

/* ---- the choice ---- */

static int choose_measured(const json_t *document, const char *failed_key, struct accelerator_choice *choice,
			   struct cor_error *err)
{
	const char *reason = "not measured";
	bool kvm = false;
	int64_t khz = 0;

	json_get_string(document, "reason", &reason);
	json_get_bool(document, "kvm", &kvm);
	json_get_int(document, "tscKhz", &khz);
	choice->tsc_khz = khz > 0 ? (uint64_t)khz : 0;
	if (choice->asked && choice->accelerator == VM_KVM && !kvm)
		return cor_fail(err, COR_UNSUPPORTED, ENOTSUP,
				"there is no usable KVM here (%s): use --accel tcg", reason);
	if (choice->asked) {
		snprintf(choice->reason, sizeof(choice->reason), "asked for");
		return 0;
	}
	choice->accelerator = kvm ? VM_KVM : VM_TCG;
	snprintf(choice->reason, sizeof(choice->reason), "%s", reason);
	if (kvm && has_failed(document, failed_key)) {
		choice->accelerator = VM_TCG;
		snprintf(choice->reason, sizeof(choice->reason),
			 "since the host booted, a machine with this kernel did not answer under KVM");
	}
	return 0;
}

int accelerator_choose(int run_fd, const char *wanted, int kernel_fd, const char *program,
		       struct accelerator_choice *ret, struct cor_error *err)
{
	struct accelerator_choice choice = {0};
	_json_ json_t *document = NULL;
	_free_ char *key = combination(kernel_fd, program);
	int r;

	if (str_equal(wanted, "kvm") || str_equal(wanted, "tcg")) {
		choice.asked = true;
		choice.accelerator = *wanted == 'k' ? VM_KVM : VM_TCG;
	} else if (!str_empty(wanted) && !str_equal(wanted, "auto")) {
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no accelerator: use auto, kvm or tcg",
				wanted);
	}
	r = recall_or_measure(run_fd, &document, err);
	if (r < 0)
		return cor_context(err, r, "remember the accelerator");
	r = choose_measured(document, key, &choice, err);
	if (r == 0)
		*ret = choice;
	return r;
}
