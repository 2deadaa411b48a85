/* SPDX-License-Identifier: Apache-2.0 */
/* The order matters: limits while we may raise them; the filter while we may install one, but as late as that allows; the user, keeping
 * capabilities across the change; at last the sets themselves. Raw system calls, since each of these is one. */
#include "init/privileges.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int set_limits(const struct oci_process *process, struct cor_error *err)
{
	for (size_t i = 0; i < process->rlimit_count; i++) {
		const struct oci_rlimit *limit = &process->rlimits[i];
		struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

		if (setrlimit((__rlimit_resource_t)limit->resource, &value) < 0)
			return cor_fail_errno(err, errno, "the limit %s", oci_rlimit_name(limit->resource));
	}
	if (process->has_oom_score_adj) {
		char text[16];
		_fd_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
		int n = snprintf(text, sizeof(text), "%d", process->oom_score_adj);

		if (fd < 0 || write(fd, text, (size_t)n) != n)
			return cor_fail_errno(err, errno, "the score for the kernel's OOM killer");
	}
	return 0;
}

static int install_filter(const struct privileges *privileges, struct cor_error *err)
{
	struct sock_fprog program = {
		.len = (unsigned short)privileges->filter_count,
		.filter = (struct sock_filter *)privileges->filter,
	};

	if (privileges->filter && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return cor_fail_errno(err, errno, "the seccomp filter");
	return 0;
}

static int drop_bounding(uint64_t keep, struct cor_error *err)
{
	for (unsigned long n = 0; n < 64; n++)
		if (!(keep & (UINT64_C(1) << n)) && prctl(PR_CAPBSET_DROP, n, 0, 0, 0) < 0) {
			/* Beyond the last that this kernel knows. */
			if (errno == EINVAL)
				return 0;
			return cor_fail_errno(err, errno, "capability number %lu", n);
		}
	return 0;
}

static int set_user(const struct user *user, struct cor_error *err)
{
	_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are given as the kernel takes them");

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(user->group_count, user->groups) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 || setresuid(user->uid, user->uid, user->uid) < 0)
		return cor_fail_errno(err, errno, "become user %u, group %u", user->uid, user->gid);
	return 0;
}

static int set_capabilities(const struct oci_capabilities *sets, struct cor_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (unsigned i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(sets->effective >> (32 * i)),
			.permitted = (uint32_t)(sets->permitted >> (32 * i)),
			.inheritable = (uint32_t)(sets->inheritable >> (32 * i)),
		};
	if (syscall(SYS_capset, &header, data) < 0)
		return cor_fail_errno(err, errno, "the capabilities");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned long n = 0; n < 64; n++)
		if ((sets->ambient & (UINT64_C(1) << n)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
			return cor_fail_errno(err, errno, "ambient capability number %lu", n);
	return 0;
}

int privileges_apply(const struct privileges *privileges, struct cor_error *err)
{
	const struct oci_process *process = privileges->process;
	int r = set_limits(process, err);

	if (r == 0 && process->umask >= 0)
		umask((mode_t)process->umask);
	r = r ?: drop_bounding(process->capabilities.bounding, err);
	if (r == 0 && process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = cor_fail_errno(err, errno, "no new privileges");
	/* Without no_new_privs a filter needs a privilege that is about to go. */
	if (!process->no_new_privileges)
		r = r ?: install_filter(privileges, err);
	r = r ?: set_user(privileges->user, err);
	r = r ?: set_capabilities(&process->capabilities, err);
	if (process->no_new_privileges)
		r = r ?: install_filter(privileges, err);
	return r;
}
