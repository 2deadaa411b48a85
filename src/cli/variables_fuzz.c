/* SPDX-License-Identifier: Apache-2.0 */
/* A file of variables. What comes out is "KEY=VALUE", on one line, with a name without blanks. */
#include "cli/variables.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_text_ char *text = text_format("%.*s", (int)size, (const char *)data);
	_words_ struct words words = {0};
	struct cor_error err = {0};

	/* A bare key is in the way of what is asserted: its value may hold anything. */
	clearenv();
	if (variables_parse("file", text, &words, &err) < 0)
		assert(err.status == COR_INVALID && err.msg[0]);
	for (size_t i = 0; i < words.count; i++) {
		const char *equals = strchr(words.items[i], '=');

		assert(equals && equals > words.items[i]);
		assert(strcspn(words.items[i], " \t") >= (size_t)(equals - words.items[i]));
		assert(!strchr(words.items[i], '\n'));
	}
	return 0;
}
