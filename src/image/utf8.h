/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive converts names between the archive's and the thread's character set. In a UTF-8 locale it hands out the bytes as they are, and
 * those are all that counts on Linux. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <locale.h>

struct utf8 {
	locale_t mine, before; /* 0: not entered */
};

/* For this thread, until utf8_leave. */
int utf8_enter(struct utf8 *utf8, struct cor_error *err);
void utf8_leave(struct utf8 *utf8);
#define _utf8_ _cleanup_(utf8_leave)
