/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of virtiofsd, of which there are two: QEMU's own in C (Debian 12) and the later one in Rust. Pure. */
#pragma once

#include "base/str.h"

struct share_spec {
	const char *program; /* absolute path, which says which of the two it is */
	const char *folder;  /* what it shows, in its own mount namespace */
	int listen_fd;       /* a unix socket at which QEMU's connection waits already */
};

/* What a path of virtiofsd says: QEMU's own lies in a folder "qemu". */
bool share_program_is_qemus(const char *program);

/* ret_args begins with the program's path. */
void share_args(const struct share_spec *spec, struct strv *ret_args);
