/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes of a layer come from: a file that is complete, or one that is still growing (fetch.h). */
#pragma once

#include "base/error.h"

#include <stddef.h>

struct source {
	/* Reads at most size bytes; *ret_size is 0 at the end and nowhere else. Blocks. */
	int (*read)(void *userdata, void *data, size_t size, size_t *ret_size, struct cor_error *err);
	/* Called from another thread than read: a read that waits returns -ECANCELED, and so does every later one. NULL where reads do not wait. */
	void (*stop)(void *userdata);
	/* Called once, when nobody reads any more. May be NULL. */
	void (*release)(void *userdata);
	void *userdata;
};

/* A descriptor, from where it stands; it is the source's and closed with it. */
struct source source_fd(int fd);
void source_stop(const struct source *source);
void source_release(struct source *source);
