/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of coracle.agent.v1.Agent that concern mounts and files. The context is a struct guest. */
#pragma once

#include "init/guest.h"

int files_mount(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err);
int files_unmount(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		  struct cor_error *err);
int files_read(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err);
int files_write(void *service, struct rpc_call *call, struct cor_error *err);

/* Opens (O_PATH) the root of a container as its processes see it, or, with disk, without what is mounted in it; /run where container_id is empty. A descriptor, or
 * -errno and err. */
int files_open_root(struct guest *guest, const char *container_id, bool disk, struct cor_error *err);
/* The container, if no process of it has made its mounts yet; otherwise NULL. */
struct container;
const struct container *files_unmounted(struct guest *guest, const char *container_id);

/* True for a path that Mount and Unmount take: absolute, below /run/coracle, without "..". */
bool files_target_valid(const char *path);
