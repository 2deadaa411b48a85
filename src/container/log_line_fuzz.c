/* SPDX-License-Identifier: Apache-2.0 */
/* A record of a log: a guest chose its text, and whoever can write the file the rest. */
#include "container/log_line.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_line line = {0};

	if (log_line_parse((const char *)data, size, &line) < 0) {
		assert(!line.document);
		return 0;
	}
	assert(line.document && line.text && line.text[line.size] == '\0');
	assert(strlen(line.text) <= line.size);
	log_line_release(&line);
	assert(!line.document);
	return 0;
}
