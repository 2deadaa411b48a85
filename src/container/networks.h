/* SPDX-License-Identifier: Apache-2.0 */
/* Which networks a container is to be in. */
#pragma once

#include "base/str.h"
#include "coracle/context.h"

/* See cor_network_usual. */
char *networks_usual(char **ret_why);

/* Checks what is wanted (NULL-terminated requests; NULL: the usual network) as far as a start would refuse it, and adds it to `networks`, which stays empty for none. */
int networks_choose(struct cor_context *ctx, const char *const *wanted, struct strv *networks,
		    struct cor_error *err);
/* See cor_network_lacks. */
char *networks_lack(const char *const *wanted);
