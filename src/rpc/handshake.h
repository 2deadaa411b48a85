/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning a connection over a line that has no sessions.
 *
 * A virtio-serial port is a byte stream without a notion of connecting: after a reconnect, each side may first read bytes that were meant
 * for its predecessor, cut anywhere. So the host (the only one who connects) sends a hello of fixed form with 16 random bytes; the guest throws away
 * everything until it sees a hello, starts a fresh session and answers with the same 16 bytes in a reply of another fixed form; the host throws away everything
 * until its own reply. Then HTTP/2 begins in both directions. A hello that comes in the middle of a session ends that session
 * and starts a fresh one: the guest looks for it in all that it reads (the chance that data holds it by accident is 2^-128, and a hostile
 * process in the guest that prints one cannot know where frames begin, because the form also holds a per-boot secret that the host gave on
 * the kernel command line or in its first hello). */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* The exact form is the implementer's (src/rpc/handshake.c); both sides are pure state machines over bytes, so that they can be fuzzed. */
