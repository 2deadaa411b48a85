/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network, which its containers share: ConfigureNetwork. */
#pragma once

#include "rpc/rpc.h"

int network_configure(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err);
