/* SPDX-License-Identifier: Apache-2.0 */
/* The process that copies a tree out of a container, or into one: inside its root, so that its links lead where they lead for the container, and apart from
 * init, because a container can make any file system call wait for ever (a file system of its own, FUSE). */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct container;

enum tree_kind { TREE_STAT, TREE_SEND, TREE_RECEIVE };

struct tree_job {
	enum tree_kind kind;
	int root; /* the folder that becomes "/" */
	/* Of a container whose own process has not done it, NULL otherwise: its volumes are mounted first, for the worker alone. */
	const struct container *unmounted;
	const char *path; /* absolute */
	const char *name; /* of the entries that are sent */
	bool only_metadata, details, keep_owners;
	bool mailbox;          /* there is one, and it is ours */
	uint32_t room;         /* in it at first, of a call that sends */
	const uint8_t *wanted; /* as in SendTreeRequest; NULL: all */
	size_t wanted_size;
};

/* What init and the worker say to each other, each followed by `size` bytes. */
enum tree_word {
	TREE_MESSAGE = 1, /* a message of the call */
	TREE_DONE, /* there is no more: to the worker after the last request, to init after the last answer */
	TREE_FAILURE, /* a struct cor_error: the worker gave up */
};
struct tree_frame {
	uint32_t word, size;
};

/* Does the work, from the requests in `in` to the answers in `out`. For a fresh process that has nothing else to do. */
_Noreturn void tree_work(const struct tree_job *job, int in, int out);
