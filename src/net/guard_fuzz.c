/* SPDX-License-Identifier: Apache-2.0 */
/* A line of frames from a guest, or from a passt that was taken over: the first byte says which. */
#include "net/guard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes out to an IPv4 address is no loopback's. */
static void check(const uint8_t *line, size_t size)
{
	while (size) {
		size_t length = (size_t)line[2] << 8 | line[3];

		assert(size >= 4 + length && length >= 14);
		if (line[4 + 12] == 8 && line[4 + 13] == 0)
			assert(length >= 34 && line[4 + 30] != 127 && line[4 + 30] != 0);
		line += 4 + length;
		size -= 4 + length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guard guard;
	uint8_t *line = size ? malloc(size) : NULL;
	struct guard_take take = {0};

	if (!line)
		return 0;
	memcpy(line, data + 1, size - 1);
	net_prefix_parse("192.0.0.2/29", &guard.v4);
	net_prefix_parse("192.0.0.1", &guard.gateway4);
	net_prefix_parse("fd63:6f72:6163::2", &guard.v6);
	net_prefix_parse("fe80::1", &guard.gateway6);
	guard_publish(&guard, 53);
	if (guard_take(&guard, *data & 1 ? guard_in : guard_out, line, size - 1, 4096, &take) == 0) {
		assert(take.passed <= take.used && take.used <= size - 1);
		if (!(*data & 1))
			check(line, take.passed);
	}
	free(line);
	return 0;
}
