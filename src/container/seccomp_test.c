/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiled filters do, told by a small interpreter of classic BPF (so that any call of any architecture can be asked for), and by one
 * process that lives under a filter. */
#include "container/seccomp.h"

#include "base/macro.h"
#include "container/caps.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define DENIED  (SECCOMP_RET_ERRNO | EPERM)
#define MISSING (SECCOMP_RET_ERRNO | ENOSYS)

struct filter {
	struct sock_filter *code;
	size_t size;
};

static void release(struct filter *filter)
{
	free(filter->code);
}
#define _filter_ _cleanup_(release)

/* The instructions that libseccomp makes; anything else fails the test. */
static bool jumps(const struct sock_filter *op, uint32_t a)
{
	switch (op->code) {
	case BPF_JMP | BPF_JEQ | BPF_K:
		return a == op->k;
	case BPF_JMP | BPF_JGT | BPF_K:
		return a > op->k;
	case BPF_JMP | BPF_JGE | BPF_K:
		return a >= op->k;
	case BPF_JMP | BPF_JSET | BPF_K:
		return a & op->k;
	default:
		fail_msg("instruction %#x", op->code);
		return false;
	}
}

static uint32_t judge_call(const struct filter *filter, const struct seccomp_data *call)
{
	uint32_t a = 0, memory[BPF_MEMWORDS] = {0};

	for (size_t i = 0; i < filter->size / sizeof(*filter->code); i++) {
		const struct sock_filter *op = &filter->code[i];

		if (op->code == (BPF_RET | BPF_K))
			return op->k;
		if (op->code == (BPF_LD | BPF_W | BPF_ABS)) {
			assert_true(op->k + sizeof(a) <= sizeof(*call));
			memcpy(&a, (const char *)call + op->k, sizeof(a));
		} else if (op->code == (BPF_ALU | BPF_AND | BPF_K)) {
			a &= op->k;
		} else if (op->code == BPF_ST) {
			memory[op->k] = a;
		} else if (op->code == (BPF_LD | BPF_MEM)) {
			a = memory[op->k];
		} else if (op->code == (BPF_JMP | BPF_JA)) {
			i += op->k;
		} else {
			i += jumps(op, a) ? op->jt : op->jf;
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

static uint32_t judge(const struct filter *filter, long number, uint64_t first_argument)
{
	struct seccomp_data call = {.nr = (int)number, .arch = ARCH, .args = {first_argument}};

	return judge_call(filter, &call);
}

static struct filter usual(uint64_t caps)
{
	struct filter filter = {0};
	struct cor_error err = {0};
	void *bpf = NULL;

	assert_int_equal(seccomp_default(caps, &bpf, &filter.size, &err), 0);
	filter.code = bpf;
	assert_true(filter.size && filter.size % sizeof(*filter.code) == 0);
	assert_true(filter.size / sizeof(*filter.code) <= BPF_MAXINSNS);
	return filter;
}

static uint64_t caps(const char *name)
{
	uint64_t set = CAPS_NONE;

	assert_int_equal(caps_choose((const char *const[]){name, NULL}, NULL, false, &set, NULL), 0);
	return set;
}

/* ---- the default profile ---- */

static void test_usual_calls_are_allowed(void **state)
{
	static const long fine[] = {SYS_getpid, SYS_read,   SYS_openat, SYS_execve,        SYS_socket,
				    SYS_prctl,  SYS_ptrace, SYS_chroot, SYS_io_uring_setup};
	_filter_ struct filter filter = usual(CAPS_NONE);

	for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
		assert_int_equal(judge(&filter, fine[i], 0), SECCOMP_RET_ALLOW);
}

static void test_what_no_capability_allows(void **state)
{
	static const long never[] = {SYS_keyctl,     SYS_add_key,     SYS_request_key, SYS_kexec_load,
				     SYS_pivot_root, SYS_userfaultfd, SYS_swapon};
	_filter_ struct filter none = usual(CAPS_NONE), all = usual(caps("ALL"));

	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		assert_int_equal(judge(&none, never[i], 0), DENIED);
		assert_int_equal(judge(&all, never[i], 0), DENIED);
	}
}

static void test_capabilities_lift_refusals(void **state)
{
	static const struct {
		const char *capability;
		long number;
	} calls[] = {
		{"SYS_ADMIN", SYS_mount},       {"SYS_ADMIN", SYS_bpf},          {"SYS_ADMIN", SYS_setns},
		{"SYS_TIME", SYS_settimeofday}, {"SYS_MODULE", SYS_init_module}, {"SYS_BOOT", SYS_reboot},
		{"SYSLOG", SYS_syslog},
	};
	_filter_ struct filter none = usual(CAPS_NONE);

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		_filter_ struct filter with = usual(caps(calls[i].capability));

		assert_int_equal(judge(&none, calls[i].number, 0), DENIED);
		assert_int_equal(judge(&with, calls[i].number, 0), SECCOMP_RET_ALLOW);
	}
}

static void test_new_namespaces(void **state)
{
	static const uint64_t flags[] = {CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
					 CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};
	_filter_ struct filter none = usual(CAPS_NONE), admin = usual(caps("SYS_ADMIN"));

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		assert_int_equal(judge(&none, SYS_clone, flags[i] | SIGCHLD), DENIED);
		assert_int_equal(judge(&admin, SYS_clone, flags[i] | SIGCHLD), SECCOMP_RET_ALLOW);
	}
	/* fork and threads, and flags above those that clone knows. */
	assert_int_equal(judge(&none, SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
	assert_int_equal(
		judge(&none, SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_THREAD | CLONE_SIGHAND),
		SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&none, SYS_clone, (UINT64_C(1) << 32) | CLONE_NEWUSER), DENIED);
	assert_int_equal(judge(&none, SYS_unshare, CLONE_NEWUSER), DENIED);
	assert_int_equal(judge(&none, SYS_clone3, 0), MISSING);
	assert_int_equal(judge(&admin, SYS_clone3, 0), SECCOMP_RET_ALLOW);
}

/* Another way to say the same number is no way around. */
static void test_other_architectures(void **state)
{
	_filter_ struct filter filter = usual(CAPS_NONE);
	struct seccomp_data call = {.arch = AUDIT_ARCH_S390X, .nr = SYS_getpid};

	assert_int_not_equal(judge_call(&filter, &call), SECCOMP_RET_ALLOW);
#if defined(__x86_64__)
	call = (struct seccomp_data){.arch = AUDIT_ARCH_I386, .nr = 288}; /* keyctl */
	assert_int_equal(judge_call(&filter, &call), DENIED);
	call.nr = 20; /* getpid */
	assert_int_equal(judge_call(&filter, &call), SECCOMP_RET_ALLOW);
	call = (struct seccomp_data){.arch = AUDIT_ARCH_I386, .nr = 120, .args = {CLONE_NEWUSER}}; /* clone */
	assert_int_equal(judge_call(&filter, &call), DENIED);
	/* x32 is x86-64 with a bit in the number. */
	call = (struct seccomp_data){.arch = AUDIT_ARCH_X86_64, .nr = 0x40000000 | SYS_keyctl};
	assert_int_equal(judge_call(&filter, &call), DENIED);
#endif
}

static void live_under(const struct filter *filter)
{
	struct sock_fprog program = {.len = (unsigned short)(filter->size / sizeof(*filter->code)),
				     .filter = filter->code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(1);
	if (syscall(SYS_keyctl, 0, 0) != -1 || errno != EPERM)
		_exit(2);
	if (syscall(SYS_getpid) <= 0)
		_exit(3);
	if (unshare(CLONE_NEWUTS) != -1 || errno != EPERM)
		_exit(4);
	_exit(0);
}

static void test_the_kernel_takes_it(void **state)
{
	_filter_ struct filter filter = usual(CAPS_NONE);
	pid_t child = fork();
	int status;

	if (child == 0)
		live_under(&filter);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- profiles of users ---- */

static int compile(const char *text, uint64_t set, struct filter *ret, struct cor_error *err)
{
	_json_ json_t *profile = NULL;
	void *bpf = NULL;
	int r;

	assert_int_equal(json_parse_object(text, strlen(text), "profile", &profile, NULL), 0);
	r = seccomp_from_json(profile, set, &bpf, &ret->size, err);
	ret->code = bpf;
	return r;
}

static void test_a_profile(void **state)
{
	static const char text[] =
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"syscalls\": ["
		"{\"names\": [\"getpid\", \"no_such_call_anywhere\"], \"action\": \"SCMP_ACT_ALLOW\"},"
		"{\"name\": \"getuid\", \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 13},"
		"{\"names\": [\"mount\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"caps\": "
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\": [\"reboot\"], \"action\": \"SCMP_ACT_ALLOW\", \"excludes\": {\"caps\": "
		"[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\": [\"sync\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"arches\": "
		"[\"s390x\"]}},"
		"{\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
		" \"args\": [{\"index\": 0, \"value\": 8, \"op\": \"SCMP_CMP_EQ\"}]},"
		"{\"names\": [\"gettid\"], \"action\": \"SCMP_ACT_KILL_PROCESS\"}]}";
	_filter_ struct filter none = {0}, admin = {0};

	assert_int_equal(compile(text, CAPS_NONE, &none, NULL), 0);
	assert_int_equal(compile(text, caps("SYS_ADMIN"), &admin, NULL), 0);
	assert_int_equal(judge(&none, SYS_getpid, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&none, SYS_getppid, 0), MISSING);
	assert_int_equal(judge(&none, SYS_getuid, 0), SECCOMP_RET_ERRNO | EACCES);
	assert_int_equal(judge(&none, SYS_mount, 0), MISSING);
	assert_int_equal(judge(&admin, SYS_mount, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&none, SYS_reboot, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&admin, SYS_reboot, 0), MISSING);
	assert_int_equal(judge(&none, SYS_sync, 0), MISSING);
	assert_int_equal(judge(&none, SYS_personality, 8), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(&none, SYS_personality, 9), MISSING);
	assert_int_equal(judge(&none, SYS_gettid, 0), SECCOMP_RET_KILL_PROCESS);
}

static void test_profiles_that_are_none(void **state)
{
#define RULE(text)                                                                                           \
	"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"getpid\"], " text "}]}"
	static const struct {
		const char *text, *told;
	} bad[] = {
		{"{}", "defaultAction"},
		{"{\"defaultAction\": \"ALLOW\"}", "defaultAction"},
		{"{\"defaultAction\": 1}", "defaultAction"},
		{"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": {}}", "defaultAction"},
		{"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [1]}", "rule 1"},
		{RULE("\"action\": \"nothing\""), "rule 1"},
		{RULE("\"a\": 1"), "rule 1"},
		{RULE("\"action\": \"SCMP_ACT_LOG\", \"args\": [{\"index\": 6, \"op\": \"SCMP_CMP_EQ\"}]"),
		 "rule 1"},
		{RULE("\"action\": \"SCMP_ACT_LOG\", \"args\": [{\"index\": -1, \"op\": \"SCMP_CMP_EQ\"}]"),
		 "rule 1"},
		{RULE("\"action\": \"SCMP_ACT_LOG\", \"args\": [{\"index\": 0, \"op\": \"is\"}]"), "rule 1"},
		{RULE("\"action\": \"SCMP_ACT_LOG\", \"args\": [{}, {}, {}, {}, {}, {}, {}]"), "rule 1"},
		{RULE("\"action\": \"SCMP_ACT_LOG\", \"args\": [7]"), "rule 1"},
		{RULE("\"action\": \"SCMP_ACT_LOG\", \"includes\": []"), "rule 1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_filter_ struct filter filter = {0};
		struct cor_error err = {0};

		assert_true(compile(bad[i].text, CAPS_NONE, &filter, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
		assert_non_null(strstr(err.msg, bad[i].told));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_calls_are_allowed),
		cmocka_unit_test(test_what_no_capability_allows),
		cmocka_unit_test(test_capabilities_lift_refusals),
		cmocka_unit_test(test_new_namespaces),
		cmocka_unit_test(test_other_architectures),
		cmocka_unit_test(test_the_kernel_takes_it),
		cmocka_unit_test(test_a_profile),
		cmocka_unit_test(test_profiles_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
