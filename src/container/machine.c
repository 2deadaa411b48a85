/* SPDX-License-Identifier: Apache-2.0 */
/* Processors, memory, and the files that it boots from. */
#include "container/machine.h"

#include "base/size.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MIN_MEMORY     (64 * MIB) /* less does not hold the kernel and its init */
#define DEFAULT_MEMORY GIB
#define DEFAULT_CPUS   2
#define MIN_CPUS       0.01
#define GUEST_CPUS     64 /* CONFIG_NR_CPUS in kernel/base.config: the guest would not see more */

static unsigned host_cpus(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count < 1 ? 1 : (unsigned)count;
}

static int choose_file(const char *path, const char *what, char **ret, struct cor_error *err)
{
	char real[PATH_MAX];

	if (!path)
		return 0;
	if (!realpath(path, real) || access(real, R_OK) < 0)
		return cor_fail_errno(err, errno, "%s '%s'", what, path);
	*ret = xstrdup(real);
	return 0;
}

int machine_choose(const struct cor_container_options *options, struct machine_config *machine,
		   struct cor_error *err)
{
	unsigned most = MIN(host_cpus(), (unsigned)GUEST_CPUS);
	const char *accelerator = options->accelerator ? options->accelerator : "auto";
	int r;

	/* Asked the other way round it would let a NaN in. */
	if (options->cpus != 0 && !(options->cpus >= MIN_CPUS && options->cpus <= most))
		return cor_fail(err, COR_INVALID, EINVAL,
				"the range of CPUs is from %.2f to %u, so %g are not available", MIN_CPUS,
				most, options->cpus);
	machine->cpus = MIN(host_cpus(), (unsigned)DEFAULT_CPUS);
	if (options->cpus > 0)
		machine->cpus = (unsigned)options->cpus + (options->cpus > (double)(unsigned)options->cpus);
	machine->nano_cpus = options->cpus > 0 ? (int64_t)(options->cpus * 1e9 + 0.5)
					       : machine->cpus * INT64_C(1000000000);
	machine->memory = options->memory ? options->memory : DEFAULT_MEMORY;
	if (machine->memory < MIN_MEMORY) {
		char size[SIZE_TEXT_SIZE];

		return cor_fail(err, COR_INVALID, EINVAL,
				"%s of memory is too little for a machine: at least 64m is needed",
				size_format(machine->memory, size));
	}
	/* QEMU wants whole megabytes. */
	machine->memory = (machine->memory + MIB - 1) / MIB * MIB;
	if (strcmp(accelerator, "auto") != 0 && strcmp(accelerator, "kvm") != 0 &&
	    strcmp(accelerator, "tcg") != 0)
		return cor_fail(err, COR_INVALID, EINVAL, "unknown accelerator '%s': auto, kvm or tcg",
				accelerator);
	machine->accelerator = xstrdup(accelerator);
	machine->virtualization = options->virtualization;
	machine->no_template = options->no_template;
	for (const char *const *arg = options->kernel_args; arg && *arg; arg++)
		strv_add(&machine->kernel_args, *arg);
	r = choose_file(options->kernel, "kernel", &machine->kernel, err);
	return r ?: choose_file(options->init_image, "init image", &machine->initramfs, err);
}
