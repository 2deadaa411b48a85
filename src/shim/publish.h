/* SPDX-License-Identifier: Apache-2.0 */
/* The container's published ports: held from before its machine starts until its end is told. What the rules lead to the container itself never comes here; what comes to
 * the sockets all the same (over the host's loopback, for one) is relayed once the container's process runs, and waits until then. */
#pragma once

#include "coracle/error.h"
#include "net/publish.h"

struct shim;

/* Binds what the record publishes, and tells `ls` and `inspect`. */
int publish_hold(struct shim *shim, struct cor_error *err);
/* For a network that answers on the host's ports by itself: what was bound, with the ports that were chosen; it is free from here on. The caller's. */
struct publish_list publish_hand_over(struct shim *shim);
/* The rules; once the container is connected. */
int publish_connect(struct shim *shim, struct cor_error *err);
/* The process runs: what waits is relayed. */
void publish_serve(struct shim *shim);
/* All is free again, and connections end. Twice is fine. */
void publish_stop(struct shim *shim);
