/* SPDX-License-Identifier: Apache-2.0 */
/* Our end of the mailbox (copy/mailbox.h): memory that the shim made and the guest has as a disk. Whatever lies in it can change at any time. */
#pragma once

#include "container/shim_client.h"
#include "copy/entry.h"

struct guest_mailbox {
	uint8_t *bytes; /* NULL: there is none, or somebody else copies */
	int fd;         /* of bytes */
	uint8_t *piece;
	uint32_t room;   /* pieces that may still be left there */
	uint64_t pieces; /* that were left */
};

/* Asks the shim. Until it is closed, no other client has it. */
void guest_mailbox_open(struct guest_mailbox *mailbox, struct shim_client *client);
/* Another call begins: what was said of room counts no more. */
void guest_mailbox_begin(struct guest_mailbox *mailbox);
/* However much a guest promises, only slots count. */
void guest_mailbox_add_room(struct guest_mailbox *mailbox, uint32_t room);
/* Of a file; what it has not any more is zeros. */
int guest_mailbox_read(int fd, uint8_t *out, size_t size, uint64_t offset, struct cor_error *err);
/* A piece of a file, or of data where fd is -1, into the next slot; there must be room. */
int guest_mailbox_put(struct guest_mailbox *mailbox, int fd, uint64_t offset, const void *data, size_t size,
		      uint32_t *ret_place, struct cor_error *err);
/* A piece that was left there, for the sink: a copy that nobody changes any more. */
int guest_mailbox_take(struct guest_mailbox *mailbox, uint32_t place, size_t size, uint64_t offset,
		       const struct copy_sink *sink, struct cor_error *err);
/* Gives the memory back. */
void guest_mailbox_close(struct guest_mailbox *mailbox);
