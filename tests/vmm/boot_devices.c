/* SPDX-License-Identifier: Apache-2.0 */
/* boot-devices KERNEL INITRAMFS COUNT: starts a machine with so many devices beyond the usual ones, waits until its init answers the handshake, and ends. */
#include "base/error.h"
#include "rpc/handshake.h"
#include "vmm/vmm.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static bool answers(const struct vm *vm)
{
	struct handshake_host handshake;
	struct pollfd line = {.fd = vm->agent_fd, .events = POLLIN};
	uint8_t data[4096];
	size_t used;

	if (handshake_host_init(&handshake, (const uint8_t[HANDSHAKE_SECRET_SIZE]){1}) < 0 ||
	    write(vm->agent_fd, handshake.hello, sizeof(handshake.hello)) != sizeof(handshake.hello))
		return false;
	while (poll(&line, 1, PATIENCE_MS) == 1) {
		ssize_t n = read(vm->agent_fd, data, sizeof(data));

		if (n <= 0)
			return false;
		if (handshake_host_feed(&handshake, data, (size_t)n, &used))
			return true;
	}
	return false;
}

/* What there is by now; both descriptors are non-blocking. */
static void print_all(int fd)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		fwrite(data, 1, (size_t)n, stdout);
}

int main(int argc, char **argv)
{
	struct vm_spec spec = {
		.name = "devices", .accelerator = VM_TCG, .cpus = 2, .memory = 256 << 20, .uid = (uid_t)-1};
	struct accelerator_choice choice;
	char folder[] = "/tmp/coracle-devices.XXXXXX";
	int run_fd;
	struct cor_error err;
	struct vm *vm;
	bool answered;

	if (argc != 4)
		return 2;
	spec.kernel_fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	spec.initramfs_fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	spec.extra_devices = (unsigned)atoi(argv[3]);
	run_fd = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (accelerator_choose(run_fd, "tcg", -1, NULL, &choice, &err) == 0)
		spec.tsc_khz = choice.tsc_khz;
	unlinkat(run_fd, "accelerator.json", 0);
	rmdir(folder);
	if (vm_start(vmm_drivers[0], &spec, &vm, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	answered = answers(vm);
	print_all(vm->console_fd);
	print_all(vm->messages_fd);
	printf("%s\n", answered ? "answered" : "no answer");
	vm_free(vm);
	return answered ? 0 : 1;
}
