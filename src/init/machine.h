/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of coracle.agent.v1.Agent that concern the machine as a whole. */
#pragma once

#include "rpc/rpc.h"

/* Methods for a table of a service whose context is a struct machine. */
struct machine {
	uv_loop_t *loop;
	bool stopping; /* Shutdown was called: the loop ends and the power goes */
};

int machine_hello(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		  struct cor_error *err);
int machine_set_time(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err);
int machine_add_entropy(void *service, struct rpc_call *call, const ProtobufCMessage *request,
			struct cor_error *err);
int machine_sync(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		 struct cor_error *err);
int machine_shutdown(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err);

/* Kills every other process, writes back and unmounts every file system, and ends the machine. Does not return. */
_Noreturn void machine_power_off(void);
