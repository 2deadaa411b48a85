/* SPDX-License-Identifier: Apache-2.0 */
/* The containers of a guest share its network, so that its devices are everybody's. */
#include "init/statistics.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/container.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/sysinfo.h>

#define INTERFACES_MAX 64

/* "  eth0: BYTES PACKETS ERRS DROP FIFO FRAME COMPRESSED MULTICAST  BYTES …" */
bool statistics_parse_interface(char *line, Coracle__Agent__V1__InterfaceStatistics *ret)
{
	char *colon = strrchr(line, ':');
	uint64_t received, sent;

	if (!colon ||
	    sscanf(colon + 1, "%" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &received, &sent) != 2)
		return false;
	*colon = '\0';
	ret->name = line + strspn(line, " ");
	ret->received_bytes = received;
	ret->sent_bytes = sent;
	return true;
}

/* The message points into *text and *items. */
static void add_interfaces(char *text, Coracle__Agent__V1__InterfaceStatistics *items,
			   Coracle__Agent__V1__InterfaceStatistics **pointers,
			   Coracle__Agent__V1__Statistics *ret)
{
	char *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL;
	     line && ret->n_interfaces < INTERFACES_MAX; line = strtok_r(NULL, "\n", &rest)) {
		Coracle__Agent__V1__InterfaceStatistics *item = &items[ret->n_interfaces];

		coracle__agent__v1__interface_statistics__init(item);
		if (statistics_parse_interface(line, item))
			pointers[ret->n_interfaces++] = item;
	}
	ret->interfaces = pointers;
}

/* Without a limit of its own a container has the machine's memory. */
static uint64_t memory_limit(const struct container *container)
{
	struct sysinfo info;
	uint64_t limit = cgroup_number(container->cgroup, "memory.max");

	return sysinfo(&info) < 0 ? limit : MIN(limit, (uint64_t)info.totalram * info.mem_unit);
}

int statistics_get(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		   struct cor_error *err)
{
	const Coracle__Agent__V1__ContainerRef *request = (const void *)message;
	Coracle__Agent__V1__Statistics response = CORACLE__AGENT__V1__STATISTICS__INIT;
	Coracle__Agent__V1__InterfaceStatistics items[INTERFACES_MAX], *pointers[INTERFACES_MAX];
	struct container *container = container_find(service, request->container_id, err);
	_free_ char *text = NULL;

	if (!container)
		return -ENOENT;
	response.cpu_ns = cgroup_keyed(container->cgroup, "cpu.stat", "usage_usec") * 1000;
	response.memory_bytes = cgroup_number(container->cgroup, "memory.current");
	response.memory_limit_bytes = memory_limit(container);
	response.processes = cgroup_number(container->cgroup, "pids.current");
	response.oom_kills = container_oom_kills(container);
	cgroup_io(container->cgroup, &response.block_read_bytes, &response.block_written_bytes);
	(void)file_read(AT_FDCWD, "/proc/net/dev", 1 << 20, &text, NULL);
	add_interfaces(text, items, pointers, &response);
	rpc_call_reply(call, &response.base);
	return 0;
}
