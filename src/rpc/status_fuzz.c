/* SPDX-License-Identifier: Apache-2.0 */
/* The text and the word of a failure, as a peer sent them. */
#include "rpc/status.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[64], wire[3 * sizeof(text) + 1], again[sizeof(text)], word[32] = {0};

	status_decode_message((const char *)data, size, text, sizeof(text));
	assert(memchr(text, '\0', sizeof(text)));
	for (const char *p = text; *p; p++)
		assert((unsigned char)*p >= 0x20 && *p != 0x7f);
	status_encode_message(text, wire, sizeof(wire));
	status_decode_message(wire, strlen(wire), again, sizeof(again));
	assert(strcmp(text, again) == 0);
	memcpy(word, data, size < sizeof(word) ? size : sizeof(word) - 1);
	assert(cor_status_exit_code(status_from_wire(size, word)) >= 0);
	return 0;
}
