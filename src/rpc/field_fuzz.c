/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/field.h"

#include "base/macro.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *payload;
	size_t length;
	unsigned kind;

	/* What it gives lies inside what it was given. */
	if (rpc_field_parse(data, size, &kind, &payload, &length) == 0 &&
	    (kind > 15 || payload < data || payload + length != data + size))
		abort();
	return 0;
}
