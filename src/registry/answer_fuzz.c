/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an answer, line by line, and the values in it. */
#include "registry/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_answer_ struct answer answer = {.content_length = -1};
	const char *text = (const char *)data, *end = text + size, *line_end;
	int64_t first, last, total, next;

	for (; text < end; text = line_end) {
		line_end = memchr(text, '\n', (size_t)(end - text));
		line_end = line_end ? line_end + 1 : end;
		if (answer_take_line(&answer, text, (size_t)(line_end - text), NULL) < 0)
			break;
	}
	if (answer.retry_after && retry_after_parse(answer.retry_after, 1700000000) < -22)
		abort();
	if (answer.content_range && content_range_parse(answer.content_range, &first, &last, &total) == 0 &&
	    (first < 0 || last < first || (total >= 0 && total <= last)))
		abort();
	if (answer.range && upload_range_parse(answer.range, &next) == 0 && next < 0)
		abort();
	return 0;
}
