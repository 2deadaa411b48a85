/* SPDX-License-Identifier: Apache-2.0 */
/* One record of a json-file log: {"log": "text\n", "stream": "stdout", "time": "2026-…"}. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct log_line {
	json_t *document;
	const char *text; /* borrowed from the document */
	size_t size;
	bool is_stderr;
	int64_t time_ns;
};

/* 0 or -EBADMSG. A stream that is not named is stdout; a time that is missing is an error. */
int log_line_parse(const char *record, size_t size, struct log_line *ret);
void log_line_release(struct log_line *line);
