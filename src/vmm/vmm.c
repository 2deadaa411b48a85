/* SPDX-License-Identifier: Apache-2.0 */
/* The thin wrappers over a driver's table, and what is the same for all of them: a machine is a child process. */
#include "vmm/vmm.h"

#include "base/macro.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

int vm_save(struct vm *vm, int state_fd, struct cor_error *err)
{
	return vm->driver->save ? vm->driver->save(vm, state_fd, err) : unsupported(vm, "save", err);
}

int vm_exchange(struct vm *vm, size_t index, const struct vm_disk *disk, struct cor_error *err)
{
	return vm->driver->exchange ? vm->driver->exchange(vm, index, disk, err)
				    : unsupported(vm, "exchange a disk of", err);
}

void vm_kill(struct vm *vm)
{
	syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0);
}

bool vm_was_killed(const struct vm *vm)
{
	siginfo_t info = {0};

	/* QEMU catches SIGTERM, and says so in its last event. */
	if (strcmp(vm->end, "host-signal") == 0)
		return true;
	return waitid(P_PID, (id_t)vm->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == vm->pid && info.si_code == CLD_KILLED &&
	       (info.si_status == SIGKILL || info.si_status == SIGTERM);
}

void vm_free(struct vm *vm)
{
	if (vm)
		vm->driver->free(vm);
}
