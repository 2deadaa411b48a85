/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's end of the mailbox (copy/mailbox.h): a disk, and memory that goes to and from it. Blocks. */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct mailbox {
	int disk;        /* -1: there is none, or another process has it */
	uint8_t *bytes;  /* of a slot, aligned */
	uint32_t room;   /* pieces that may still be left there */
	uint64_t pieces; /* that were left */
};

/* Before anything of the container's is in the way. */
void mailbox_open(struct mailbox *mailbox);
/* What room is worth, however much of it is promised. */
void mailbox_add_room(struct mailbox *mailbox, uint32_t room);
/* A piece of a file, or of data where fd is -1, into the next slot; there must be room. What a file has not any more is zeros. */
int mailbox_put(struct mailbox *mailbox, int fd, uint64_t offset, const void *data, size_t size,
		uint32_t *ret_place, struct cor_error *err);
/* A piece that was left there, to mailbox->bytes. */
int mailbox_take(struct mailbox *mailbox, uint32_t place, size_t size, struct cor_error *err);
void mailbox_close(struct mailbox *mailbox);
