/* SPDX-License-Identifier: Apache-2.0 */
/* The name servers of the host, from a resolv.conf(5), as a guest can use them. */
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
/* Of a file of the host's; empty where it cannot be read. */
void resolvers_read(const char *path, struct resolvers *ret);
void resolvers_release(struct resolvers *resolvers);
