/* SPDX-License-Identifier: Apache-2.0 */
/* What a process may: limits, seccomp filter, user, capabilities. All of these change the calling process for good. */
#pragma once

#include "init/user.h"
#include "oci/runtime_spec.h"

#include <linux/filter.h>

struct privileges {
	const struct oci_process *process;
	const struct user *user;
	const struct sock_filter *filter; /* NULL: none */
	size_t filter_count;
};

int privileges_apply(const struct privileges *privileges, struct cor_error *err);
