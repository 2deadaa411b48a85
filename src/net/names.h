/* SPDX-License-Identifier: Apache-2.0 */
/* Names of containers: one dnsmasq per network, bound to the network's own addresses, that reads a folder of hosts files and watches it. It runs as a user that
 * nobody else is, with no right but to bind port 53, and is never restarted while containers come and go. What it writes goes into a file that its
 * flock marks as the living one's. */
#pragma once

#include "base/str.h"
#include "net/network.h"

#include <stdbool.h>
struct names_host {
	const char *file; /* in the folder of hosts files */
	struct net_prefix v4, v6;
	const char *const *names; /* NULL-terminated, without the domain */
};

/* The lines for a container: every name alone and with the domain. Names that are none are left out. The caller's. */
char *names_hosts(const struct network *network, const struct names_host *host);
/* dnsmasq's arguments, its path first. */
void names_arguments(const struct network *network, const char *program, const char *bridge,
		     const char *hosts_folder, struct strv *ret);

/* `dir` is the network's folder of net/state.h. Starts dnsmasq where none lives. 0, -ENOENT without the program, -errno. */
int names_start(int dir, const struct network *network, const char *bridge);
#define NAMES_LACK                                                                                           \
	"there is no dnsmasq, so that containers do not find each other by name: install the package "       \
	"dnsmasq-base"
/* Whether the program is there. */
bool names_usable(void);
bool names_alive(int dir);
/* Ends it and waits. */
void names_stop(int dir);

int names_add(int dir, const struct network *network, const struct names_host *host);
void names_remove(int dir, const char *file);
