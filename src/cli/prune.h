/* SPDX-License-Identifier: Apache-2.0 */
/* What every prune has. */
#pragma once

#include <stdint.h>

#define OPTION_FORCE                                                                                         \
	{                                                                                                    \
		"force", 'f', NULL, "do not ask"                                                             \
	}

/* Says on standard error, behind all that was printed, how much room it made. */
void prune_total(uint64_t bytes);
