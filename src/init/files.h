/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of coracle.agent.v1.Agent that concern mounts and files. The context is a struct guest. */
#pragma once

#include "rpc/rpc.h"

int files_mount(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err);
int files_unmount(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		  struct cor_error *err);
int files_read(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err);
int files_write(void *service, struct rpc_call *call, struct cor_error *err);

/* True for a path that Mount and Unmount take: absolute, below /run/coracle, without "..". */
bool files_target_valid(const char *path);
