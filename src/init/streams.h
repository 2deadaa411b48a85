/* SPDX-License-Identifier: Apache-2.0 */
/* The standard streams of one process, and the AttachProcess call that carries them.
 *
 * Output is read only while a call is attached whose queue has room, so that it waits in the pipe and at last in the process itself. Input that the
 * process does not take yet is held, one message at most, and the call paused. The exit status is sent once the process has ended and
 * what it left in its pipes is sent. */
#pragma once

#include "agent.pb-c.h"
#include "base/buffer.h"
#include "rpc/rpc.h"

#include <stdbool.h>

struct stream {
	struct streams *streams;
	uv_poll_t *poll; /* NULL once closed */
	int fd;          /* -1 once closed */
	uint8_t field;   /* of AttachProcessResponse */
	bool watching;
	size_t left; /* of a process that has ended: so much is still its own output */
};

struct streams {
	uv_loop_t *loop;
	bool terminal;
	struct stream out, err;                     /* of a terminal only out */
	struct stream in;                           /* of a terminal a duplicate of out */
	struct buffer input;                        /* not yet taken by the process */
	bool input_ended;                           /* close once input is written */
	struct rpc_call *call;                      /* attached, or NULL */
	const Coracle__Agent__V1__ExitStatus *exit; /* once the process has ended; borrowed */
};

/* Empty: no descriptor is open. */
void streams_init(struct streams *streams);

/* Descriptors are taken over; -1 for what is not there. */
int streams_open(struct streams *streams, uv_loop_t *loop, int in, int out, int err, struct cor_error *error);
/* The terminal's master, taken over; in only if input is wanted. */
int streams_open_terminal(struct streams *streams, uv_loop_t *loop, int master, bool in,
			  struct cor_error *error);

/* Sets the terminal's window. -ENOTTY when there is none. */
int streams_resize(struct streams *streams, uint32_t rows, uint32_t columns);

/* The call becomes the one that is attached; an older one ends with COR_CANCELLED. */
void streams_attach(struct streams *streams, struct rpc_call *call);
/* One request after the first, decoded. */
void streams_request(struct streams *streams, const Coracle__Agent__V1__AttachProcessRequest *request);
/* The client sends no more. */
void streams_half_close(struct streams *streams);
/* The attached call is over (from its on_end). */
void streams_detach(struct streams *streams);
/* Its queue has room again. */
void streams_writable(struct streams *streams);

/* The process has ended with this status, which must stay. */
void streams_process_ended(struct streams *streams, const Coracle__Agent__V1__ExitStatus *status);

/* Ends an attached call with the reason and closes all. */
void streams_close(struct streams *streams, const struct cor_error *reason);
