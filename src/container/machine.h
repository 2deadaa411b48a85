/* SPDX-License-Identifier: Apache-2.0 */
/* Which machine a container gets. */
#pragma once

#include "container/record.h"

/* What the options ask for, and what is usual where they are silent. COR_INVALID for what cannot be. */
int machine_choose(const struct cor_container_options *options, struct machine_config *machine,
		   struct cor_error *err);
