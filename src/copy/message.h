/* SPDX-License-Identifier: Apache-2.0 */
/* Entries as messages (TreeItems of agent.proto) and back. Many small entries share a message, and contents are neither copied when they are packed nor when they
 * are unpacked. */
#pragma once

#include "base/buffer.h"
#include "copy/entry.h"
#include "copy/mailbox.h"

#define COPY_MESSAGE_SIZE (128u << 10) /* a message is sent when it has so much … */
#define COPY_PIECE_MAX    (256u << 10) /* … and contents come in pieces of at most so much */
#define COPY_MESSAGE_MAX  (1u << 20)   /* more is refused: an entry, with all its attributes, has less */
#define COPY_HEAD_MAX     32u          /* of the head below, where there is a body */

struct copy_packer {
	struct buffer message;
	/* One message, in one or two pieces. */
	int (*send)(void *user, const void *head, size_t head_size, const void *body, size_t body_size,
		    struct cor_error *err);
	/* The same with a body that stands in a file, as in copy_sink. NULL: it is read. */
	int (*send_range)(void *user, const void *head, size_t head_size, int fd, uint64_t offset,
			  size_t size, struct cor_error *err);
	/* Leaves a piece in the mailbox, of a file's contents at offset, or, where fd is -1, of data: 1 with its place there, 0 if it has to go in messages.
	 * NULL: all has to. */
	int (*leave)(void *user, int fd, uint64_t offset, const void *data, size_t size, uint32_t *ret_place,
		     struct cor_error *err);
	void *user;
};

/* What it is given is packed; what does not fill a message waits for copy_packer_flush. */
struct copy_sink copy_packer_sink(struct copy_packer *packer);
int copy_packer_flush(struct copy_packer *packer, struct cor_error *err);
void copy_packer_release(struct copy_packer *packer);

/* Checks all that comes, as if an attacker wrote it, and hands it on. */
struct copy_unpacker {
	struct copy_sink sink;
	/* Hands on a piece that lies in the mailbox, within its bounds, as sink.data does; one of a message at most. NULL: none can. */
	int (*fetch)(void *user, uint64_t offset, uint32_t place, size_t size, struct cor_error *err);
	void *user;
	bool fetched;        /* a piece of this message */
	bool in_file;        /* contents may come, … */
	uint64_t size, next; /* … up to here, and not before there */
};

/* COR_CORRUPT for what is no message, or comes where it makes no sense; else what the sink says. */
int copy_unpack(struct copy_unpacker *unpacker, const uint8_t *data, size_t size, struct cor_error *err);

/* The number in base 128 (protobuf's encoding) at out; returns how many bytes. */
size_t copy_put_number(uint8_t *out, uint64_t value);
