/* SPDX-License-Identifier: Apache-2.0 */
/* Other people's rules that stop what ours let through: an "accept" of ours ends our chain, not theirs. Pure. */
#pragma once

#include <jansson.h>

struct blocker {
	const char *family, *table, *chain; /* borrowed from the rule set */
	char remedy[400];                   /* a command line for the bridge */
};

/* ruleset: what `nft -j list ruleset` says. Calls back for every base chain of the forward hook, but for tables named `own`, that drops what nothing in it
 * accepts, and whose table has no rule that accepts this bridge. */
void blockers_find(const json_t *ruleset, const char *own, const char *bridge,
		   void (*each)(const struct blocker *blocker, void *context), void *context);
