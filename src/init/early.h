/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done for the first container before anybody asks for it. It takes about as long as all that the host and init have to say to each other first,
 * and another CPU does it meanwhile. Nothing depends on it: what it does not do in time, or not well, is done when it is asked for. */
#pragma once

#include "agent.pb-c.h"
#include "init/guest.h"

/* Gets the kernel ready for rules for devices. */
void early_rehearse(void);

/* Begins, in a process of its own, to mount the disk "root", and then to rehearse, unless the machine waited and has. Does not wait. */
void early_begin(struct guest *guest);

/* Waits for the disk, and moves it to target if it is what is wanted (NULL: something else): true, and the caller's to unmount. Otherwise it is unmounted,
 * and whoever asked mounts as if it had never been there. */
bool early_root_take(struct guest *guest, const Coracle__Agent__V1__Filesystem *wanted, const char *target);
