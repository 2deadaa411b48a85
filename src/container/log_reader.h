/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log that another process writes and rotates: a file and its predecessors, NAME.2, NAME.1, NAME, oldest first. */
#pragma once

#include "base/buffer.h"
#include "container/log_line.h"

#define LOG_FILES_MAX 16 /* more than a shim keeps */

struct log_filter {
	int64_t tail;               /* last records; negative: all */
	int64_t since_ns, until_ns; /* since the epoch; 0: no limit */
};

/* Takes one record (of a console: a line of text, with no time). 0: go on, 1: enough for now, -errno. */
typedef int log_take_fn(void *user, const struct log_line *line);

struct log_reader {
	int dir;          /* borrowed */
	const char *name; /* "log" or "console.log" */
	bool console;     /* lines of text instead of records */
	struct log_filter filter;
	log_take_fn *take;
	void *user;

	int files[LOG_FILES_MAX]; /* still to be read, newest first */
	unsigned count;
	struct buffer pending; /* bytes of a record that is not complete */
	int64_t skip;          /* records still to leave out, for `tail` */
	bool past_until;       /* nothing that is wanted will come any more */
};

/* Opens the files that are there; the members before `files` are the caller's to fill in first. */
void log_reader_open(struct log_reader *reader);
/* Gives every record that is there by now and was not given yet, across rotations. 0: all, 1: take had enough, -errno. */
int log_reader_read(struct log_reader *reader);
/* Nothing more will be written: a console's last line may have no end. Same returns. */
int log_reader_finish(struct log_reader *reader);
void log_reader_release(struct log_reader *reader);
