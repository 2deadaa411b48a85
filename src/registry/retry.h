/* SPDX-License-Identifier: Apache-2.0 */
/* When a question is asked again. */
#pragma once

#include "registry/exchange.h"

/* Bytes of a blob that make up for one failed attempt: less, and a registry could keep us busy for ever by giving a byte at a time. */
#define RETRY_PROGRESS (UINT64_C(1) << 20)

struct retry {
	unsigned failures;
	uint64_t progress;
};

/* Milliseconds until the next attempt; -1 when that was the last. */
int retry_delay(struct retry *retry, const struct limits *limits, const struct exchange_result *result);
void retry_progress(struct retry *retry, size_t bytes);
