/* SPDX-License-Identifier: Apache-2.0 */
/* Trees as tar archives. */
#pragma once

#include "base/cleanup.h"
#include "copy/entry.h"

struct copy_tar;

struct copy_tar_options {
	const char *name; /* of every entry, or of a folder above it; "": any. Borrowed */
	uint64_t max;     /* bytes that all files have, holes too, which an archive fills with zeros */
};

/* An archive (pax) to fd, which is borrowed; where that is a file, it has holes for what is zero. Its entries come by the sink: what was not asked for, and hard links to
 * what did not come before, are COR_CORRUPT, more than what may be COR_EXHAUSTED, before any of it is written. An entry with an empty path becomes "./". */
int copy_tar_create(int fd, const struct copy_tar_options *options, struct copy_tar **ret,
		    struct cor_error *err);
struct copy_sink copy_tar_sink(struct copy_tar *tar);
/* Completes the archive. */
int copy_tar_end(struct copy_tar *tar, struct cor_error *err);
void copy_tar_free(struct copy_tar *tar);
DEFINE_CLEANUP(struct copy_tar *, copy_tar_free)

/* Reads an archive, plain or compressed, to fd's end. COR_CORRUPT for what is none, or leads out by its names. */
int copy_tar_read(int fd, const struct copy_sink *sink, struct cor_error *err);
