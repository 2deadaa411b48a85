/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that let go of a terminal. Pure: bytes in, bytes out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DETACH_KEYS_MAX 16

struct detach_keys {
	uint8_t sequence[DETACH_KEYS_MAX];
	size_t length;  /* 0: none */
	size_t matched; /* typed so far, and held back */
};

/* "ctrl-p,ctrl-q", "a", "ctrl-@": a comma-separated list of characters or ctrl- and one of @a-z[\]^_. NULL or "": none. -EINVAL. */
int detach_keys_parse(const char *text, struct detach_keys *ret);

/* Takes what was typed; writes what is to be passed on to out, which has room for size + DETACH_KEYS_MAX bytes. True when the sequence is complete;
 * what follows it is dropped. */
bool detach_keys_feed(struct detach_keys *keys, const uint8_t *data, size_t size, uint8_t *out,
		      size_t *ret_size);
