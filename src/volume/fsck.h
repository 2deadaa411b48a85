/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at what guests have written to a volume's disk. Four numbers at fixed places are read here; everything else is e2fsck's work, in a child that has the disk and nothing
 * else: no network, none of the host's files but programs and libraries, no privileges, few system calls, bounded time and memory. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct disk_state {
	bool formatted; /* there is an ext4 file system */
	bool journal;   /* it has one */
	bool replay;    /* what the journal holds is not in its place yet: whoever wrote was killed */
	bool doubtful;  /* a kernel found an error in it, or it has no journal and whoever wrote was killed */
};
int disk_state_read(int fd, struct disk_state *ret, struct cor_error *err);

enum fsck_mode {
	FSCK_LOOK,   /* changes nothing; the journal must have been replayed */
	FSCK_REPLAY, /* the journal, and nothing else */
	FSCK_REPAIR, /* all that can be */
};
/* fd is open for reading, and but for FSCK_LOOK for writing, and nobody else has the disk. Blocks for at most seconds. 0; COR_CORRUPT when it is damaged (after FSCK_REPAIR: still), COR_TIMEOUT,
 * COR_UNSUPPORTED without e2fsck or without namespaces to run it in. *ret_repaired, which may be NULL: something was. */
int volume_fsck(int fd, enum fsck_mode mode, unsigned seconds, bool *ret_repaired, struct cor_error *err);
