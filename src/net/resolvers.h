/* SPDX-License-Identifier: Apache-2.0 */
/* The name servers of the host, from a resolv.conf(5), as a guest behind a user-mode network can use them. Pure. */
#pragma once

#include "base/str.h"
#include "net/address.h"

struct resolvers {
	struct strv servers; /* addresses that a guest can ask */
	/* The first of the file in its family is on the host's loopback: passt has to be asked, which asks that one (and no other). */
	bool forward4, forward6;
	struct strv search; /* domains */
};
void resolvers_parse(const char *text, struct resolvers *ret);
void resolvers_release(struct resolvers *resolvers);
