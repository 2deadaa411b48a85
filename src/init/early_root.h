/* SPDX-License-Identifier: Apache-2.0 */
/* The disk "root", mounted before anybody asks. Its file system is nearly always the first that the host wants, and to mount it takes about as long as all that
 * the host has to say before; another CPU does it meanwhile. */
#pragma once

#include "agent.pb-c.h"
#include "init/guest.h"

/* Begins, in a process of its own, and does not wait. A machine without such a disk, or whose disk cannot be mounted, is none the worse. */
void early_root_begin(struct guest *guest);

/* Waits for it, and moves it to target if it is what is wanted (NULL: something else): true, and the caller's to unmount. Otherwise it is unmounted, and whoever
 * asked mounts as if it had never been there. */
bool early_root_take(struct guest *guest, const Coracle__Agent__V1__Filesystem *wanted, const char *target);
