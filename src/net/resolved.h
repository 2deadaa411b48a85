/* SPDX-License-Identifier: Apache-2.0 */
/* The host itself finds containers by name: systemd-resolved, told by resolvectl(1) that a bridge has a name server of its own, for a domain of its own. What it is told
 * of a device goes with the device, so that it is told anew whenever a bridge comes; which domains are wished is written down (DATA/dns/DOMAIN). */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "net/network.h"

#include <stdbool.h>

/* 0, or COR_UNSUPPORTED with what to do instead. */
int resolved_usable(struct cor_error *err);

/* The domains that are wished, sorted. */
int resolved_domains(int data_dir, struct strv *ret, struct cor_error *err);
bool resolved_wished(int data_dir, const char *domain);
/* Wishes it, and tells of the networks that are up. COR_EXISTS, COR_UNSUPPORTED, COR_INVALID. */
int resolved_create(int data_dir, int run_dir, const char *domain, struct cor_error *err);
/* COR_NOT_FOUND. */
int resolved_remove(int data_dir, int run_dir, const char *domain, struct cor_error *err);

/* What resolvectl is called with, its path first; *ret_count vectors, which are the caller's. */
#define RESOLVED_CALLS 3
void resolved_arguments(const char *program, const char *bridge, const struct network *network,
			struct strv ret[RESOLVED_CALLS]);
/* Tells of a bridge. Waits for some milliseconds; seconds where resolved hangs. */
int resolved_tell(const char *bridge, const struct network *network, struct cor_error *err);
