/* SPDX-License-Identifier: Apache-2.0 */
/* The thin wrappers over a driver's table, and what is the same for all of them: a machine is a child process. */
#include "vmm/vmm.h"

#include "base/macro.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct vmm_driver *const vmm_drivers[] = {&vmm_qemu, NULL};

int vm_start(const struct vmm_driver *driver, const struct vm_spec *spec, struct vm **ret_vm,
	     struct cor_error *err)
{
	if (spec->cpus < 1 || spec->cpus > 255)
		return cor_fail(err, COR_INVALID, EINVAL, "a machine has 1 to 255 CPUs, not %u", spec->cpus);
	return driver->start(spec, ret_vm, err);
}

int vm_process_control(struct vm *vm, struct cor_error *err)
{
	return vm->driver->process_control ? vm->driver->process_control(vm, err) : 0;
}

static int unsupported(const struct vm *vm, const char *what, struct cor_error *err)
{
	return cor_fail(err, COR_UNSUPPORTED, ENOTSUP, "%s cannot %s a machine", vm->driver->name, what);
}

int vm_pause(struct vm *vm, struct cor_error *err)
{
	return vm->driver->pause ? vm->driver->pause(vm, err) : unsupported(vm, "pause", err);
}

int vm_resume(struct vm *vm, struct cor_error *err)
{
	return vm->driver->resume ? vm->driver->resume(vm, err) : unsupported(vm, "resume", err);
}

void vm_kill(struct vm *vm)
{
	syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
}

void vm_free(struct vm *vm)
{
	if (vm)
		vm->driver->free(vm);
}
