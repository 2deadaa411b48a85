/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as YAML: whole lines, and no byte that could steer a terminal or be a break of its own. */
#include "cli/yaml.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	char *text = NULL;
	size_t length;
	FILE *out;

	if (!value)
		return 0;
	out = open_memstream(&text, &length);
	assert(out);
	yaml_print(value, out);
	fclose(out);
	assert(length > 0 && text[length - 1] == '\n');
	assert(!strstr(text, "\n\n"));
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		assert(c == '\n' || (c >= 0x20 && c != 0x7f));
		assert(c != 0xc2 || (unsigned char)text[i + 1] > 0xa0);
	}
	assert(!strstr(text, "\xe2\x80\xa8") && !strstr(text, "\xef\xbb\xbf"));
	free(text);
	json_decref(value);
	return 0;
}
