/* SPDX-License-Identifier: Apache-2.0 */
/* A process of a container in the foreground of this command: its streams are ours, our signals are its. */
#pragma once

#include "cli/arguments.h"
#include "coracle/container.h"

#include <signal.h>

/* "--detach-keys" and "--sig-proxy". */
extern const struct option_group foreground_group;

struct foreground {
	struct cor_streams streams;
	const char *name;  /* of the container, for what is said; borrowed */
	bool terminal;     /* the process has one */
	bool raw;          /* ours is to be raw: both have one and we type into it */
	bool proxy;        /* signals go to the process */
	bool starts;       /* the container itself is started: a signal that comes early is for its process */
	bool timings;      /* print the stages at the end */
	const char *trace; /* a file for all of it, or NULL; borrowed */
	unsigned rows, columns;
	bool prepared;
	sigset_t mask; /* of signals before foreground_prepare */
};

/* Fills in streams, size and choices. A process with a terminal that we would type into needs one here too: -EINVAL otherwise, which tells of the
 * remedy, "leave --tty away". */
int foreground_init(struct foreground *fg, const struct arguments *args, bool interactive, bool terminal,
		    const char *remedy, struct cor_error *err);

/* From here on signals are kept for the process, so that none is lost or kills us between its start and foreground_run. The third one that asks
 * us to end ends us; where nothing is started, as for exec and attach, the first one that comes before foreground_run. */
void foreground_prepare(struct foreground *fg);
/* Pumps until the end, frees the session. *ret_status is the exit status of this command. */
int foreground_run(struct foreground *fg, struct cor_session *session, int *ret_status,
		   struct cor_error *err);
/* Undoes foreground_prepare where foreground_run was never reached. */
void foreground_release(struct foreground *fg);
#define _foreground_ _cleanup_(foreground_release)
