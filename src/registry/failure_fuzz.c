/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of refusals, and of what token servers answer. */
#include "registry/failure.h"

#include "base/str.h"
#include "registry/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *message = failure_message(data, size), *token = NULL;
	struct answer answer = {.status = 404};
	struct cor_error err;
	int64_t seconds;

	for (const char *p = message; p && *p; p++)
		if (*p < ' ' || *p > '~')
			abort();
	failure_of_answer(&answer, data, size, "registry.example", NULL, "missing", &err);
	for (const char *p = err.msg; *p; p++)
		if (*p < ' ' || *p > '~')
			abort();
	if (token_parse(data, size, &token, &seconds, &err) == 0 && (seconds <= 0 || strpbrk(token, "\r\n ")))
		abort();
	return 0;
}
