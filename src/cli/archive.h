/* SPDX-License-Identifier: Apache-2.0 */
/* Where an archive goes: standard output, unless that is a terminal, or a file, which gets its name when it is whole: what was there before stays until then, and a
 * command that fails or is killed leaves nothing. */
#pragma once

#include "cli/text.h"
#include "coracle/error.h"

struct archive {
	int fd;
	const char *path; /* what it is to be called; NULL: written in place */
	char *temporary;  /* what it is called until then; NULL: nothing yet */
};

/* path NULL or "-": standard output. */
int archive_open(struct archive *archive, const char *path, struct cor_error *err);
/* It is whole. */
int archive_complete(struct archive *archive, struct cor_error *err);
void archive_release(struct archive *archive);
#define _archive_ _cleanup_(archive_release)
