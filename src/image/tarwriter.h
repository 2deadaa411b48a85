/* SPDX-License-Identifier: Apache-2.0 */
/* A tar archive as a stream: whoever writes the same things in the same order gets the same bytes. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct tarwriter;

/* Writes to fd, which is borrowed. */
int tarwriter_open(int fd, struct tarwriter **ret, struct cor_error *err);
void tarwriter_free(struct tarwriter *writer);
DEFINE_CLEANUP(struct tarwriter *, tarwriter_free)

int tarwriter_folder(struct tarwriter *writer, const char *path, struct cor_error *err);
int tarwriter_text(struct tarwriter *writer, const char *path, const char *text, size_t size,
		   struct cor_error *err);
/* The whole of an open file, of exactly this size. COR_CORRUPT where it has not this digest: by then it stands in the archive. */
int tarwriter_file(struct tarwriter *writer, const char *path, int fd, uint64_t size, const char *digest,
		   struct cor_error *err);
/* Writes the end. */
int tarwriter_finish(struct tarwriter *writer, struct cor_error *err);
