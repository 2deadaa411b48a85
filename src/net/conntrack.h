/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the kernel tracks. */
#pragma once

#include "net/address.h"

/* Forgets those that are answered from that address, as all are that were led there. Takes longer the more there are of any kind. 0 or -errno. */
int conntrack_forget(const struct net_prefix *address);
