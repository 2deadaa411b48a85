/* SPDX-License-Identifier: Apache-2.0 */
/* FreezeContainer of coracle.agent.v1.Agent. The context is a struct guest. */
#pragma once

#include "rpc/rpc.h"

/* Answers once every process of the container stands still; they go on when the call ends, however it does, unless another holds them too. */
int freeze_container(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err);
