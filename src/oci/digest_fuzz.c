/* SPDX-License-Identifier: Apache-2.0 */
/* A digest that is taken for valid must be safe as the name of a file. */
#include "oci/digest.h"

#include "base/str.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);

	if (!digest_valid(text))
		return 0;
	assert(strlen(text) == DIGEST_SIZE - 1);
	assert(strspn(digest_hex(text), "0123456789abcdef") == DIGEST_HEX_SIZE - 1);
	return 0;
}
