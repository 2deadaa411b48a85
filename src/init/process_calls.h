/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of coracle.agent.v1.Agent that concern processes. The context is a struct guest. */
#pragma once

#include "rpc/rpc.h"

int process_create_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err);
int process_start_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		       struct cor_error *err);
int process_signal_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err);
int process_wait_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err);
int process_resize_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err);
int process_delete_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err);
int process_list_call(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		      struct cor_error *err);
int process_attach_call(void *service, struct rpc_call *call, struct cor_error *err);
