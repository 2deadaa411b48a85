/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of containers. On the disk:
 *
 *   data/   what the container sees; absent before the first use
 *   new/    what is to become data/, half made; a crash leaves it, and the next use begins anew
 */
#pragma once

#include "init/container.h"

/* The call PrepareVolume. The context is a struct guest. */
int volume_prepare(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		   struct cor_error *err);

/* Unmounts all that was prepared for a container. */
void volumes_unmount(struct container *container);
