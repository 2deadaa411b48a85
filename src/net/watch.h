/* SPDX-License-Identifier: Apache-2.0 */
/* Hears of it when somebody takes our tables of rules away, as `nft flush ruleset` does: until they are back, ports are not filtered. By the notifications of
 * NFNLGRP_NFTABLES (linux/netfilter/nf_tables.h). That a table is emptied and stays is not heard. */
#pragma once

#include "net/firewall.h"

struct net_watch {
	int fd; /* readable: call net_watch_read */
	char table[FIREWALL_TABLE_SIZE];
	unsigned gone; /* a bit for each family that has lost its table */
};

/* 0 or -errno. */
int net_watch_open(int run_dir, struct net_watch *ret);
void net_watch_close(struct net_watch *watch);
/* Reads what there is, up to a bound. True as long as a table of ours is gone; writing rules anew within one transaction does not count. */
bool net_watch_read(struct net_watch *watch);
/* net_repair in a process of its own, since it may have to wait. 0 or -errno. */
int net_watch_repair(int run_dir);
