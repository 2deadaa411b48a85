/* SPDX-License-Identifier: Apache-2.0 */
/* A log file with a bound: when it is full it becomes NAME.1, that one NAME.2, and so on; the oldest goes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rotating {
	int dir; /* borrowed */
	int fd;
	const char *name;
	uint64_t size, limit;
	unsigned keep; /* files, with the current one */
	bool failing;  /* the last write failed: what came since is lost */
};

/* Appends to what is there. 0 or -errno. */
int rotating_open(struct rotating *log, int dir, const char *name, uint64_t limit, unsigned keep);
/* Writes whole records. A failure (a full disk) is returned once, then swallowed until writing works again: a log never stops its container. */
int rotating_write(struct rotating *log, const void *data, size_t size);
void rotating_close(struct rotating *log);
