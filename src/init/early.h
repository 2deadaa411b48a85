/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done for the first container before anybody asks for it. It takes about as long as all that the host and init have to say to each other first,
 * and another CPU does it meanwhile. Nothing depends on it: what it does not do in time, or not well, is done when it is asked for. */
#pragma once

#include "agent.pb-c.h"
#include "init/guest.h"
#include "oci/runtime_spec.h"

/* The group that a machine which waits has ready; no container is called so. */
#define EARLY_GROUP ".early"

/* Of a machine that waits: what its memory will keep for the first container. That is a control group with the usual rules for devices, and where the disk "root" is. */
void early_prepare(struct guest *guest);
/* That group, for a container with the usual rules: its directory, the caller's; otherwise -1. It is called EARLY_GROUP for good, which a container cannot see. */
int early_group_take(struct guest *guest, const struct oci_spec *spec);

/* A container has gone, and its group with it. In a machine that has waited there is a new one for the next container, if that does not come at once. */
void early_renew(struct guest *guest);

/* Begins, in a process of its own, to mount the disk "root", and then, unless the machine has waited, to get the kernel ready for rules for devices. Does not wait. */
void early_begin(struct guest *guest);

/* Waits for the disk, and moves it to target if it is what is wanted (NULL: something else): true, and the caller's to unmount. Otherwise it is unmounted,
 * and whoever asked mounts as if it had never been there. */
bool early_root_take(struct guest *guest, const Coracle__Agent__V1__Filesystem *wanted, const char *target);
