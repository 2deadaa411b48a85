/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP answer, as far as we care, and the values in it that we parse ourselves. */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_HEAD_MAX (64u << 10) /* bytes of all heads of one exchange, interim answers included */

struct answer {
	int status;                                                          /* 0: none came */
	bool whole;                                                          /* the head's end has come */
	char *location, *content_type, *content_range, *range, *retry_after; /* NULL where there is none */
	int64_t content_length;                                              /* -1 where there is none */
	struct strv challenges;                                              /* each WWW-Authenticate */
	size_t head_size;
};
void answer_release(struct answer *answer);
#define _answer_ _cleanup_(answer_release)

/* Takes one line of the head, with or without its end. A status line begins a new head (after an interim answer). COR_CORRUPT: a head that is too long, headers
 * that contradict each other, control characters in a value that we look at. */
int answer_take_line(struct answer *answer, const char *line, size_t size, struct cor_error *err);

/* Retry-After: seconds, or a date (RFC 9110, section 10.2.3). Milliseconds from now, or -EINVAL. */
int64_t retry_after_parse(const char *text, int64_t now_s);

/* "bytes FIRST-LAST/TOTAL"; an unknown total ("*") is -1. 0 or -EINVAL. */
int content_range_parse(const char *text, int64_t *ret_first, int64_t *ret_last, int64_t *ret_total);

/* "0-LAST" or "bytes=0-LAST": how far an upload has come. *ret_next is the offset to go on from; 0 for "0-0", which registries say of an upload that has nothing yet. */
int upload_range_parse(const char *text, int64_t *ret_next);
