/* SPDX-License-Identifier: Apache-2.0 */
/* A container's output as Docker's json-file log: one object {"log", "stream", "time"} per line of output. */
#pragma once

#include "base/buffer.h"
#include "shim/rotating.h"

#define LOG_LINE_MAX                                                                                         \
	16384u /* a longer line becomes several records, of which only the last ends with a newline */

struct container_log {
	struct rotating file;
	struct buffer partial[2]; /* of stdout and stderr: a line without its end */
	struct buffer out;
};

/* Replaces what was not opened. 0 or -errno. */
int container_log_open(struct container_log *log, int dir, uint64_t limit, unsigned keep);
/* Adds output as it came; a line is written when it is complete. Returns what rotating_write returned. */
int container_log_add(struct container_log *log, bool is_stderr, const uint8_t *data, size_t size,
		      int64_t now_ns);
/* Writes lines that have no end, and closes. */
void container_log_close(struct container_log *log, int64_t now_ns);

/* A JSON string, with its quotes: bytes that are not UTF-8 become U+FFFD (as in Docker). Public for its tests. */
void json_escape(struct buffer *out, const uint8_t *data, size_t size);
