/* SPDX-License-Identifier: Apache-2.0 */
/* What a container uses: the numbers of its control group, and those of the machine's network devices. */
#pragma once

#include "agent.pb-c.h"
#include "rpc/rpc.h"

int statistics_get(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		   struct cor_error *err);

/* One line of /proc/net/dev, whose name is not copied but ended in place. False for the heading. */
bool statistics_parse_interface(char *line, Coracle__Agent__V1__InterfaceStatistics *ret);
