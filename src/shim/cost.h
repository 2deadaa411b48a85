/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine costs its host: of this process, and of all that are below it (the VMM, what serves shares and networks). */
#pragma once

#include <stdint.h>

struct cost {
	uint64_t cpu_ns;  /* of those that run, user and system */
	uint64_t memory;  /* bytes, proportional: what several share is divided among them */
	uint64_t private; /* bytes of it that nobody else has: what would be free without the machine */
};

/* Of processes that this one may not look into, nothing is counted. Takes milliseconds for each GiB that is resident. */
void cost_measure(struct cost *ret);
