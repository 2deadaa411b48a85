/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a tree below a folder: the sink at the far end of a copy. */
#pragma once

#include "base/cleanup.h"
#include "copy/entry.h"

enum copy_owners {
	COPY_OWNERS_MINE, /* whoever writes */
	COPY_OWNERS_ROOT,
	COPY_OWNERS_KEPT, /* those of the entries; where the writer may not give files away: his */
};

struct copy_writing {
	enum copy_owners owners;
	/* Whoever sent the entries means harm to who writes: no link below the folder is followed, whoever made it, and a hard link leads only to a file that was
	 * sent before; devices are left out, and so are extended attributes but user.*; set-user-id and set-group-id too, unless root writes with
	 * COPY_OWNERS_KEPT. A folder that was there stays as it is but for what is put into it. Other permissions are the entries', whatever the umask. Otherwise links
	 * on the way to an entry are followed as the process sees them. */
	bool hostile;
	/* Large aligned pieces are written past the page cache, where the file system can: for contents that lie in memory where the device can take them. */
	bool direct;
	const char *name; /* of every entry, or of a folder above it (COR_CORRUPT); "": any */
};

struct copy_writer;

/* Below the folder dir, which is borrowed until the writer is freed. */
struct copy_writer *copy_writer_new(int dir, const struct copy_writing *how);
void copy_writer_free(struct copy_writer *writer);
DEFINE_CLEANUP(struct copy_writer *, copy_writer_free)

/* Where an entry's name is taken: a folder over a folder keeps what is in it; a folder over something else, or something else over a folder, is COR_BUSY;
 * all else is replaced, never written into. Missing parents are made. */
struct copy_sink copy_writer_sink(struct copy_writer *writer);
/* The last entry's attributes, and those of its folders: nothing is complete without this. */
int copy_writer_end(struct copy_writer *writer, struct cor_error *err);

uint64_t copy_writer_entries(const struct copy_writer *writer);
uint64_t copy_writer_bytes(const struct copy_writer *writer);
uint64_t copy_writer_left_out(const struct copy_writer *writer); /* devices */
