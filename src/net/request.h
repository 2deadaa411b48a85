/* SPDX-License-Identifier: Apache-2.0 */
/* What people write behind --network. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "net/address.h"

struct net_request {
	char *network;
	struct net_prefix v4, v6; /* addresses that are wanted; empty: any */
	bool has_mac;
	uint8_t mac[6];
	uint32_t mtu; /* 0: the network's */
	struct strv aliases;
};
void net_request_release(struct net_request *request);

/* "NAME[,ip=ADDRESS][,ip6=ADDRESS][,mac=ADDRESS][,mtu=NUMBER][,alias=NAME]…". COR_INVALID. */
int net_request_parse(const char *text, struct net_request *ret, struct cor_error *err);
