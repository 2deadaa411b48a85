/* SPDX-License-Identifier: Apache-2.0 */
/* The method Logs: the container's log, as its files hold it, to any number of clients. */
#pragma once

#include "rpc/rpc.h"

struct shim;

int logs_begin(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err);
/* Something was written, or nothing more will be (the stage is OVER): followers read on. */
void logs_grown(struct shim *shim);
