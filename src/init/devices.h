/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a container may open: its own, whatever nodes it makes itself. Without that its root could read the disks of other containers. */
#pragma once

#include "base/error.h"
#include "oci/runtime_spec.h"

#include <linux/bpf.h>

#define DEVICES_PROGRAM_MAX 512

/* Makes the control group (a directory) refuse all devices but the usual ones (config-linux.md, Default Devices) and the specification's. */
int devices_restrict(int group, const struct oci_spec *spec, struct cor_error *err);

/* The program that decides (BPF_PROG_TYPE_CGROUP_DEVICE). The number of its instructions, or -E2BIG. */
int devices_compile(const struct oci_spec *spec, struct bpf_insn program[DEVICES_PROGRAM_MAX]);
