/* SPDX-License-Identifier: Apache-2.0 */
/* Connections between sockets of a container and the host: the calls Listen and Relay of coracle.agent.v1.Agent. The context is a struct guest. What listens
 * and what is connected is bounded; descriptors that nobody takes wait in the kernel's queues. */
#pragma once

#include "init/container.h"
#include "rpc/splice.h"

#define RELAYS_MAX 512u /* connections at once, in the whole guest */

/* Methods of the service. */
int relay_listen(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		 struct cor_error *err);
int relay_begin(void *service, struct rpc_call *call, struct cor_error *err);

/* Ends all of them that are the container's. */
void relay_container_gone(struct container *container);

/* relay_listen.c, for relay.c: */
/* Takes a connection that was accepted, and with it its place among the RELAYS_MAX. -1 when there is none. */
int relay_take_accepted(struct container *container, uint64_t number);
/* A place has become free. */
void relay_put_place(struct guest *guest);
void relay_end_listeners(struct container *container);
