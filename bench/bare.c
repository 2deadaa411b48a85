/* SPDX-License-Identifier: Apache-2.0 */
/* The machine alone, as a measure for everything that Coracle puts around it.
 *
 *   bare boot KERNEL INITRAMFS    milliseconds from the start of QEMU to init's first answer
 *   bare port KERNEL INITRAMFS    megabytes per second that a guest's first process (raw_port.c) writes into the port */
#include "base/clock.h"
#include "base/error.h"
#include "base/macro.h"
#include "rpc/handshake.h"
#include "vmm/vmm.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define CHUNK       (256u << 10)

static int start(const char *kernel, const char *initramfs, struct vm **ret, uint64_t *ret_began_ns)
{
	struct vm_spec spec = {.name = "bare", .cpus = 2, .memory = UINT64_C(1) << 30, .uid = 2000000000u};
	struct accelerator_choice choice;
	char folder[] = "/tmp/coracle-bare.XXXXXX";
	struct cor_error err;
	int run_fd = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, r;

	spec.kernel_fd = open(kernel, O_RDONLY | O_CLOEXEC);
	spec.initramfs_fd = open(initramfs, O_RDONLY | O_CLOEXEC);
	r = accelerator_choose(run_fd, "tcg", spec.kernel_fd, NULL, &choice, &err);
	unlinkat(run_fd, "accelerator.json", 0);
	rmdir(folder);
	spec.tsc_khz = choice.tsc_khz;
	*ret_began_ns = clock_monotonic_ns();
	if (r == 0)
		r = vm_start(vmm_drivers[0], &spec, ret, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.msg);
	return r;
}

/* Bytes that came, at most size; 0 when nothing came in time. */
static size_t receive(const struct vm *vm, uint8_t *data, size_t size)
{
	struct pollfd line = {.fd = vm->agent_fd, .events = POLLIN};
	ssize_t n = poll(&line, 1, PATIENCE_MS) == 1 ? read(vm->agent_fd, data, size) : 0;

	return n > 0 ? (size_t)n : 0;
}

static int boot(const struct vm *vm, uint64_t began_ns)
{
	static const uint8_t secret[HANDSHAKE_SECRET_SIZE] = {1};
	struct handshake_host handshake;
	uint8_t data[4096];
	size_t n, used;

	if (handshake_host_init(&handshake, secret) < 0 ||
	    write(vm->agent_fd, handshake.hello, sizeof(handshake.hello)) != sizeof(handshake.hello))
		return 1;
	while ((n = receive(vm, data, sizeof(data)))) {
		if (!handshake_host_feed(&handshake, data, n, &used))
			continue;
		printf("%.1f\n", (double)(clock_monotonic_ns() - began_ns) / 1e6);
		return 0;
	}
	return 1;
}

static int port(const struct vm *vm)
{
	static uint8_t data[CHUNK];
	uint64_t began_ns, bytes = 0;
	size_t n = receive(vm, data, sizeof(data));

	began_ns = clock_monotonic_ns();
	while (n && data[n - 1] != '.') {
		bytes += n;
		n = receive(vm, data, sizeof(data));
	}
	if (!n)
		return 1;
	printf("%.1f\n", (double)bytes * 1e3 / (double)(clock_monotonic_ns() - began_ns));
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t began_ns;
	struct vm *vm;
	int r;

	if (argc != 4 || start(argv[2], argv[3], &vm, &began_ns) < 0)
		return 2;
	r = strcmp(argv[1], "port") == 0 ? port(vm) : boot(vm, began_ns);
	vm_free(vm);
	return r;
}
