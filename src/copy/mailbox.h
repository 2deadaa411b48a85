/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: a small disk of each guest, which is memory of the host. Large contents go through it, in pieces as large as a slot, while messages tell
 * only where they are: the guest's kernel moves pages between two disks without looking at them, where the agent's line would take an interrupt for
 * each.
 *
 * One call at a time has it. Its sender uses the slots in turn, each from its beginning, and no more of them than its reader has given room for; the
 * reader gives room again when it has taken what was there. Who has it is decided by a lock at each end: of the memory, between clients; of the disk,
 * between workers in the guest, of which one may still be dying. All of this is part of the protocol (TreeItems of agent.proto). */
#pragma once

#define MAILBOX_SERIAL "mailbox" /* of the disk; also the feature of guests that use it */
#define MAILBOX_SLOTS  4u
#define MAILBOX_SLOT   (4u << 20)
#define MAILBOX_SIZE   (MAILBOX_SLOTS * MAILBOX_SLOT)
#define MAILBOX_ALIGN  4096u        /* of what goes past the guest's page cache */
#define MAILBOX_MIN    (128u << 10) /* less is not worth a disk's request */
#define MAILBOX_MEMFD  "mailbox-of-coracle"
