/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of coracle.agent.v1.Agent that concern trees of files. The context is a struct guest. */
#pragma once

#include "rpc/rpc.h"

int tree_stat(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err);
int tree_send(void *service, struct rpc_call *call, struct cor_error *err);
int tree_receive(void *service, struct rpc_call *call, struct cor_error *err);
