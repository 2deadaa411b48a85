/* SPDX-License-Identifier: Apache-2.0 */
/* The small files that the host writes for a container: hosts, hostname, resolv.conf. */
#pragma once

#include "base/error.h"
#include "coracle/container.h"

/* Writes them into files/ of the bundle's folder. COR_INVALID for names and addresses that are none. */
int guest_files_write(int bundle_dir, const struct cor_container_options *options, const char *hostname,
		      struct cor_error *err);
