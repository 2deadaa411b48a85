/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles system call filters with libseccomp.
 *
 * The default profile refuses what Docker's refuses, but as a list of what is refused instead of what is allowed: the kernel that it
 * guards is the container's own, so the filter is there to keep a process from harming its own machine by mistake (and to behave as people know it), not
 * to keep neighbours apart. A short filter is also quicker to compile, to send and to run. Each refusal falls away with the capability that governs it. */
#include "container/seccomp.h"

#include "base/file.h"
#include "container/caps.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BPF_MAX (1u << 20)

DEFINE_CLEANUP(scmp_filter_ctx, seccomp_release)

static const struct refusal {
	const char *name;
	const char *unless; /* the capability that allows it; NULL: always refused */
} refusals[] = {
	{"acct", "CAP_SYS_PACCT"},
	{"add_key", NULL},
	{"bpf", "CAP_SYS_ADMIN"},
	{"clock_adjtime", "CAP_SYS_TIME"},
	{"clock_settime", "CAP_SYS_TIME"},
	{"create_module", NULL},
	{"delete_module", "CAP_SYS_MODULE"},
	{"fanotify_init", "CAP_SYS_ADMIN"},
	{"finit_module", "CAP_SYS_MODULE"},
	{"fsconfig", "CAP_SYS_ADMIN"},
	{"fsmount", "CAP_SYS_ADMIN"},
	{"fsopen", "CAP_SYS_ADMIN"},
	{"fspick", "CAP_SYS_ADMIN"},
	{"get_mempolicy", "CAP_SYS_NICE"},
	{"init_module", "CAP_SYS_MODULE"},
	{"ioperm", "CAP_SYS_RAWIO"},
	{"iopl", "CAP_SYS_RAWIO"},
	{"kcmp", "CAP_SYS_PTRACE"},
	{"kexec_file_load", NULL},
	{"kexec_load", NULL},
	{"keyctl", NULL},
	{"lookup_dcookie", "CAP_SYS_ADMIN"},
	{"mbind", "CAP_SYS_NICE"},
	{"mount", "CAP_SYS_ADMIN"},
	{"mount_setattr", "CAP_SYS_ADMIN"},
	{"move_mount", "CAP_SYS_ADMIN"},
	{"move_pages", NULL},
	{"nfsservctl", NULL},
	{"open_by_handle_at", "CAP_DAC_READ_SEARCH"},
	{"open_tree", "CAP_SYS_ADMIN"},
	{"perf_event_open", "CAP_SYS_ADMIN"},
	{"pidfd_getfd", "CAP_SYS_PTRACE"},
	{"pivot_root", NULL},
	{"process_madvise", "CAP_SYS_PTRACE"},
	{"query_module", NULL},
	{"quotactl", "CAP_SYS_ADMIN"},
	{"quotactl_fd", "CAP_SYS_ADMIN"},
	{"reboot", "CAP_SYS_BOOT"},
	{"request_key", NULL},
	{"set_mempolicy", "CAP_SYS_NICE"},
	{"setdomainname", "CAP_SYS_ADMIN"},
	{"sethostname", "CAP_SYS_ADMIN"},
	{"setns", "CAP_SYS_ADMIN"},
	{"settimeofday", "CAP_SYS_TIME"},
	{"stime", "CAP_SYS_TIME"},
	{"swapoff", NULL},
	{"swapon", NULL},
	{"_sysctl", NULL},
	{"sysfs", NULL},
	{"syslog", "CAP_SYSLOG"},
	{"umount", "CAP_SYS_ADMIN"},
	{"umount2", "CAP_SYS_ADMIN"},
	{"unshare", "CAP_SYS_ADMIN"},
	{"uselib", NULL},
	{"userfaultfd", NULL},
	{"ustat", NULL},
	{"vhangup", "CAP_SYS_TTY_CONFIG"},
	{"vm86", NULL},
	{"vm86old", NULL},
};

static int export_bpf(scmp_filter_ctx filter, void **ret_bpf, size_t *ret_size, struct cor_error *err)
{
	_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	_free_ void *bpf = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return cor_fail_errno(err, errno, "seccomp: memfd");
	r = seccomp_export_bpf(filter, fd);
	if (r < 0)
		return cor_fail_errno(err, r, "seccomp: compile");
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return cor_fail_errno(err, errno, "seccomp: export");
	if (st.st_size > BPF_MAX)
		return cor_fail(err, COR_INVALID, EFBIG, "seccomp: the compiled profile is too large");
	bpf = xmalloc((size_t)st.st_size);
	r = fd_read_all(fd, bpf, (size_t)st.st_size);
	if (r < 0)
		return cor_fail_errno(err, r, "seccomp: export");
	*ret_bpf = steal_ptr(bpf);
	*ret_size = (size_t)st.st_size;
	return 0;
}

/* A rule for a call by name. One that this architecture has not is no error. */
static int add_rule(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
		    const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name), r;

	if (number == __NR_SCMP_ERROR)
		return 0;
	r = seccomp_rule_add_array(filter, action, number, count, args);
	/* -EACCES: the rule says what the default does anyway; -EEXIST: it was said before. */
	return r == -EEXIST || r == -EACCES || r == -EDOM ? 0 : r;
}

/* Binaries of the sibling architectures run in the guest too and must not slip past the filter. */
static void add_siblings(scmp_filter_ctx filter)
{
	if (seccomp_arch_native() == SCMP_ARCH_X86_64) {
		(void)seccomp_arch_add(filter, SCMP_ARCH_X86);
		(void)seccomp_arch_add(filter, SCMP_ARCH_X32);
	} else if (seccomp_arch_native() == SCMP_ARCH_AARCH64) {
		(void)seccomp_arch_add(filter, SCMP_ARCH_ARM);
	}
}

int seccomp_default(uint64_t caps, void **ret_bpf, size_t *ret_size, struct cor_error *err)
{
	static const uint32_t new_namespaces[] = {CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
						  CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};
	_cleanup_(seccomp_releasep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = 0;

	if (!filter)
		return cor_fail(err, COR_INTERNAL, ENOMEM, "seccomp: cannot begin a filter");
	add_siblings(filter);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refusals); i++)
		if (!refusals[i].unless || !caps_has(caps, refusals[i].unless))
			r = add_rule(filter, SCMP_ACT_ERRNO(EPERM), refusals[i].name, 0, NULL);
	if (r == 0 && !caps_has(caps, "CAP_SYS_ADMIN")) {
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(new_namespaces); i++) {
			struct scmp_arg_cmp flag =
				SCMP_A0(SCMP_CMP_MASKED_EQ, new_namespaces[i], new_namespaces[i]);

			r = add_rule(filter, SCMP_ACT_ERRNO(EPERM), "clone", 1, &flag);
		}
		/* Its flags lie in memory that a filter cannot read; C libraries fall back to clone. */
		if (r == 0)
			r = add_rule(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
	}
	if (r < 0)
		return cor_fail_errno(err, r, "seccomp: default profile");
	return export_bpf(filter, ret_bpf, ret_size, err);
}

/* ---- profiles of users ---- */

static int parse_action(const char *text, int64_t errno_ret, uint32_t *ret)
{
	uint32_t error = (uint32_t)(errno_ret < 0 ? EPERM : errno_ret) & 0xffff;

	if (str_equal(text, "SCMP_ACT_ALLOW"))
		*ret = SCMP_ACT_ALLOW;
	else if (str_equal(text, "SCMP_ACT_ERRNO"))
		*ret = SCMP_ACT_ERRNO(error);
	else if (str_equal(text, "SCMP_ACT_KILL") || str_equal(text, "SCMP_ACT_KILL_THREAD"))
		*ret = SCMP_ACT_KILL_THREAD;
	else if (str_equal(text, "SCMP_ACT_KILL_PROCESS"))
		*ret = SCMP_ACT_KILL_PROCESS;
	else if (str_equal(text, "SCMP_ACT_TRAP"))
		*ret = SCMP_ACT_TRAP;
	else if (str_equal(text, "SCMP_ACT_LOG"))
		*ret = SCMP_ACT_LOG;
	else if (str_equal(text, "SCMP_ACT_TRACE"))
		*ret = SCMP_ACT_TRACE(error);
	else
		return -EINVAL;
	return 0;
}

static int parse_compare(const char *text, enum scmp_compare *ret)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} ops[] = {
		{"SCMP_CMP_NE", SCMP_CMP_NE},
		{"SCMP_CMP_LT", SCMP_CMP_LT},
		{"SCMP_CMP_LE", SCMP_CMP_LE},
		{"SCMP_CMP_EQ", SCMP_CMP_EQ},
		{"SCMP_CMP_GE", SCMP_CMP_GE},
		{"SCMP_CMP_GT", SCMP_CMP_GT},
		{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!str_equal(text, ops[i].name))
			continue;
		*ret = ops[i].op;
		return 0;
	}
	return -EINVAL;
}

static int parse_args(const json_t *array, struct scmp_arg_cmp out[6], unsigned *ret_count)
{
	size_t count = json_array_size(array);

	if (count > 6)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		json_t *arg = json_array_get(array, i);
		int64_t index = -1, value = 0, second = 0;
		const char *op = NULL;
		int r = json_get_int(arg, "index", &index);

		r = r ?: json_get_int(arg, "value", &value);
		r = r ?: json_get_int(arg, "valueTwo", &second);
		r = r ?: json_get_string(arg, "op", &op);
		r = r ?: parse_compare(op, &out[i].op);
		if (r < 0 || index < 0 || index > 5)
			return -EINVAL;
		out[i].arg = (unsigned)index;
		out[i].datum_a = (scmp_datum_t)value;
		out[i].datum_b = (scmp_datum_t)second;
	}
	*ret_count = (unsigned)count;
	return 0;
}

static bool names_this_architecture(const char *name)
{
	uint32_t native = seccomp_arch_native();

	return (native == SCMP_ARCH_X86_64 &&
		(str_equal(name, "amd64") || str_equal(name, "x32") || str_equal(name, "x86"))) ||
	       (native == SCMP_ARCH_AARCH64 && (str_equal(name, "arm64") || str_equal(name, "arm")));
}

/* True if the condition object ("includes", "excludes") holds: for includes all capabilities are needed, for excludes one is enough. */
static bool condition_holds(const json_t *condition, uint64_t caps, bool every)
{
	_strv_ struct strv names = {0}, arches = {0};
	bool cap = every, arch = every;
	const char *name;

	(void)json_get_strv(condition, "caps", &names);
	(void)json_get_strv(condition, "arches", &arches);
	strv_foreach (&names, i, name)
		cap = every ? cap && caps_has(caps, name) : cap || caps_has(caps, name);
	if (arches.count)
		arch = false;
	strv_foreach (&arches, i, name)
		arch = arch || names_this_architecture(name);
	return every ? cap && arch : cap || arch;
}

static int add_json_rule(scmp_filter_ctx filter, const json_t *rule, uint64_t caps, int64_t default_errno)
{
	struct scmp_arg_cmp args[6] = {0};
	_strv_ struct strv names = {0};
	const char *action_text = NULL, *name = NULL;
	int64_t errno_ret = default_errno;
	json_t *includes = NULL, *excludes = NULL, *arg_array = NULL;
	unsigned count = 0;
	uint32_t action;
	int r = json_get_strv(rule, "names", &names);

	r = r ?: json_get_string(rule, "name", &name);
	r = r ?: json_get_string(rule, "action", &action_text);
	r = r ?: json_get_int(rule, "errnoRet", &errno_ret);
	r = r ?: json_get_object(rule, "includes", &includes);
	r = r ?: json_get_object(rule, "excludes", &excludes);
	r = r ?: json_get_array(rule, "args", &arg_array);
	r = r ?: parse_action(action_text, errno_ret, &action);
	r = r ?: parse_args(arg_array, args, &count);
	if (r < 0)
		return r;
	if (includes && !condition_holds(includes, caps, true))
		return 0;
	if (excludes && condition_holds(excludes, caps, false))
		return 0;
	if (name)
		strv_add(&names, name);
	strv_foreach (&names, i, name) {
		r = add_rule(filter, action, name, count, args);
		if (r < 0)
			return r;
	}
	return 0;
}

int seccomp_from_json(const json_t *profile, uint64_t caps, void **ret_bpf, size_t *ret_size,
		      struct cor_error *err)
{
	_cleanup_(seccomp_releasep) scmp_filter_ctx filter = NULL;
	const char *action_text = NULL;
	int64_t default_errno = -1;
	json_t *rules = NULL, *rule;
	uint32_t action;
	size_t i;
	int r = json_get_string(profile, "defaultAction", &action_text);

	r = r ?: json_get_int(profile, "defaultErrnoRet", &default_errno);
	r = r ?: json_get_array(profile, "syscalls", &rules);
	r = r ?: parse_action(action_text, default_errno, &action);
	if (r < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "seccomp profile: no valid defaultAction");
	filter = seccomp_init(action);
	if (!filter)
		return cor_fail(err, COR_INTERNAL, ENOMEM, "seccomp: cannot begin a filter");
	add_siblings(filter);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	json_array_foreach (rules, i, rule) {
		r = add_json_rule(filter, rule, caps, -1);
		if (r < 0)
			return cor_fail(err, COR_INVALID, r, "seccomp profile: rule %zu is not understood",
					i + 1);
	}
	return export_bpf(filter, ret_bpf, ret_size, err);
}
