/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of coracle.agent.v1.Agent that concern the machine as a whole. */
#pragma once

#include "init/guest.h"

/* Methods of the service; the context is a struct guest. */
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

/* Some processes have ended: a shutdown may have waited for them. */
void machine_children_ended(struct guest *guest);

/* Kills every other process, writes back and unmounts every file system, and ends the machine. Does not return. */
_Noreturn void machine_power_off(void);
