/* SPDX-License-Identifier: Apache-2.0 */
/* Trees as tar archives. */
#pragma once

#include "base/cleanup.h"
#include "copy/entry.h"

struct copy_tar;

/* An archive (pax) to fd, which is borrowed; its entries come by the sink. An entry with an empty path becomes "./". */
int copy_tar_create(int fd, struct copy_tar **ret, struct cor_error *err);
struct copy_sink copy_tar_sink(struct copy_tar *tar);
/* Completes the archive. */
int copy_tar_end(struct copy_tar *tar, struct cor_error *err);
void copy_tar_free(struct copy_tar *tar);
DEFINE_CLEANUP(struct copy_tar *, copy_tar_free)

/* Reads an archive, plain or compressed, to fd's end. COR_CORRUPT for what is none, or leads out by its names. */
int copy_tar_read(int fd, const struct copy_sink *sink, struct cor_error *err);
