/* SPDX-License-Identifier: Apache-2.0 */
/* Rules into the kernel: `nft -j -f -` with the commands on its standard input. */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
/* Whether both families, "bridge" and "inet", have a table of that name; by netlink, since that takes microseconds. False when in doubt. */
bool nft_has_tables(const char *name);

/* All rules of this network namespace, whoever made them. The caller's. */
int nft_list(json_t **ret_ruleset, struct cor_error *err);
/* All commands (an array, libnftables-json(5)) or none. `lock` stays held until it is done, as child_run says. Blocks for some milliseconds.
 * COR_UNSUPPORTED without the program or what it needs of the kernel, COR_PERMISSION. */
int nft_apply(const json_t *commands, int lock, struct cor_error *err);
